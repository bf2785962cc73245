package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write openapi.json anew")

const committed = "openapi.json"

// served returns the document as a client gets it.
func served(t *testing.T) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	New(Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, DocumentPath, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", DocumentPath, w.Code, w.Body)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	return pretty.Bytes()
}

func TestCommittedDocumentIsTheServedOne(t *testing.T) {
	got := served(t)
	if *update {
		if err := os.WriteFile(committed, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the server serves; run: go test ./internal/api -run %s -update", committed, t.Name())
	}
}
