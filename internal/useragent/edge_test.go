package useragent

import (
	goflag "flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = goflag.Bool("update", false, "write the table of tokens for the edge anew")

const edgeTokens = "../../edge/core/tokens.ts"

// The code at the edge walks with the same table; here it is written for it.
func TestTokensAtTheEdge(t *testing.T) {
	var b strings.Builder
	b.WriteString("// The table of internal/useragent/tokens.go, in its order: text, place, flag. Written by\n" +
		"//   go test ./internal/useragent -run TestTokensAtTheEdge -update\n\n" +
		"/** Each token's text, then its place (1 start, 2 end of a word, 4 first) and its flag (bits: bot, tool, tv, tablet, phone, android, desktop). */\n" +
		"export const tokens: [text: string, place: number, flag: number][] = [\n")
	flags := map[string]flag{}
	for _, tok := range tokens {
		if known, ok := flags[tok.text]; ok && known != tok.flag {
			t.Errorf("%q has two meanings; the edge tells them apart by their text", tok.text)
		}
		flags[tok.text] = tok.flag
		fmt.Fprintf(&b, "  [%q, %d, %d],\n", tok.text, tok.where, tok.flag)
	}
	b.WriteString("];\n")
	if *update {
		if err := os.WriteFile(edgeTokens, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(edgeTokens)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is not the table of tokens.go; write it with -update", edgeTokens)
	}
}
