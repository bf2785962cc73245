package eventloop

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// malformed is the corpus of what clients send that is not a plain request, or only
// looks like one. A request that was ever judged wrongly belongs there.
func malformed(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/malformed/*")
	if err != nil || len(files) < 50 {
		t.Fatalf("the corpus has %d files: %v", len(files), err)
	}
	corpus := map[string][]byte{}
	for _, file := range files {
		if corpus[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return corpus
}

// statuses sends bytes to an address and lists what comes back.
func statuses(t testing.TB, address string, in []byte) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(in); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	stream, _ := io.ReadAll(c)
	var codes []int
	for r := bufio.NewReader(bytes.NewReader(stream)); ; {
		if _, err := r.Peek(1); err != nil {
			return fmt.Sprint(codes)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return fmt.Sprint(codes, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		codes = append(codes, res.StatusCode)
	}
}

// Whatever comes, the server answers as net/http alone does.
func TestMalformedRequestsAreJudgedAsByNetHTTP(t *testing.T) {
	s, _ := serve(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	alone := &http.Server{Handler: s.options.Others, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = alone.Serve(l) }()
	defer func() { _ = alone.Close() }()
	answered := map[string]int{}
	for name, in := range malformed(t) {
		ours, theirs := statuses(t, s.Addr().String(), in), statuses(t, l.Addr().String(), in)
		if ours != theirs {
			t.Errorf("%s: answered %s, by net/http %s", name, ours, theirs)
		}
		answered[theirs]++
	}
	t.Logf("answers of net/http: %v", answered)
	if answered["[400]"] < 10 || answered["[302]"] == 0 {
		t.Error("the corpus should have both, what net/http refuses and what it takes")
	}
}
