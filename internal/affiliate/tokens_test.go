package affiliate

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

const tokensFile = "../../testdata/tokens.json"

// tokenCase is a token and its spelling under a ring of keys, for every implementation.
type tokenCase struct {
	Ring    string      `json:"ring"` // as the file keys/cookie
	Visitor string      `json:"visitor"`
	Since   int64       `json:"since"` // Unix minutes
	Touches []touchCase `json:"touches"`
	Sealed  string      `json:"sealed"`
}

type touchCase struct {
	Program uint32 `json:"program"`
	Click   string `json:"click"`
}

// A visitor who comes to the edge with the server's cookie is the same visitor, and the other
// way round: both seal a token into the same bytes.
func TestTokensFile(t *testing.T) {
	ring := Keyring{{Number: 7, Secret: []byte("0123456789abcdef0123456789ABCDEF")}, {Number: 3, Secret: []byte("another secret of thirty-two byte")}}
	var cases []tokenCase
	for touches := range TouchesMax + 1 {
		token := Token{Visitor: NewVisitorID(uint16(touches*4711), 0x0123456789abcdef+uint64(touches)), Since: time.Unix(1790000040+60*int64(touches), 0)}
		c := tokenCase{Visitor: token.Visitor.String(), Since: token.Since.Unix() / 60, Touches: []touchCase{}}
		for i := range touches {
			id := NewClickID(1790000000123+int64(i), uint16(i), uint64(i)*0x1234567)
			touch := NewTouch(fmt.Sprintf("program-%d", i), id)
			token.Touches = append(token.Touches, touch)
			c.Touches = append(c.Touches, touchCase{touch.Program, id.String()})
		}
		for _, k := range ring {
			c.Ring += fmt.Sprintf("%d %s\n", k.Number, hex.EncodeToString(k.Secret))
		}
		c.Sealed = string(ring.Seal(nil, &token))
		cases = append(cases, c)
	}
	want, err := json.MarshalIndent(map[string]any{
		"about": "Visitors' tokens and how they are sealed with the first key of a ring; internal/affiliate/token.go describes the bytes.",
		"cases": cases}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(tokensFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(tokensFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != string(want) {
		t.Errorf("%s is not what is sealed now; cookies of visitors would be worth nothing at the edge", tokensFile)
	}
}
