package affiliate

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The bucket decides who sees what, on servers, in edge workers and years from
// now: these figures never change.
func TestBucketStaysWhatItIs(t *testing.T) {
	for key, want := range map[string]uint32{"anna|20|": 939752607, "anna|20|~": 3489242645, "anna|23|de": 1643668800,
		"dora|24|": 769888310, "münchen|20|": 1700691405, "0123456789abcdef|22|": 2751762695} {
		if got := Bucket(key); got != want {
			t.Errorf("Bucket(%q) is %d; want %d", key, got, want)
		}
	}
	if got := VisitorBucket("anna", 23, "de", ""); got != 1643668800 {
		t.Errorf("VisitorBucket is %d", got)
	}
	if got := VisitorBucket("anna", 20, "", "~"); got != 3489242645 {
		t.Errorf("the second attempt's VisitorBucket is %d", got)
	}
}

// JavaScript must compute every bucket and share exactly as Go does.
func TestBucketInJavaScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("node is missing; this test may not be skipped in CI")
		}
		t.Skip("wanted node, to compare its buckets with Go's")
	}
	var keys, want strings.Builder
	for i := range 500 {
		key := fmt.Sprintf("%s|%d|%s", NewVisitorID(uint16(i), uint64(i)*0x9e3779b97f4a7c15), int64(i)*7919, []string{"", "~", "de", "rule1~", "größe", "日本"}[i%6])
		b := Bucket(key)
		fmt.Fprintln(&keys, key)
		fmt.Fprintln(&want, b, Share(b, WeightsMax))
	}
	cmd := exec.Command(node, "../../testdata/bucket.js")
	cmd.Stdin = strings.NewReader(keys.String())
	var got, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &got, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	if got.String() != want.String() {
		t.Errorf("JavaScript and Go differ, first of all at line %d", firstDifference(got.String(), want.String()))
	}
}

func firstDifference(a, b string) int {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return i + 1
		}
	}
	return min(len(as), len(bs)) + 1
}

func TestSharesAreEven(t *testing.T) {
	const visitors = 20_000
	counts := make([]int, 4)
	for i := range visitors {
		counts[Share(VisitorBucket(fmt.Sprint("v", i), 7, "", ""), len(counts))]++
	}
	for i, n := range counts {
		if n < visitors/4*95/100 || n > visitors/4*105/100 {
			t.Errorf("share %d of 4 has %d of %d visitors", i, n, visitors)
		}
	}
}

func TestShareCoversItsRange(t *testing.T) {
	for _, total := range []int{1, 2, 3, 100, WeightsMax} {
		if low, high := Share(0, total), Share(1<<32-1, total); low != 0 || high != total-1 {
			t.Errorf("shares of %d reach from %d to %d", total, low, high)
		}
	}
}
