package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
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

// route is what the document says of one operation.
type route struct {
	method, path string
	Access       string           `json:"x-sluice-access"`
	ID           string           `json:"operationId"`
	Summary      string           `json:"summary"`
	Tags         []string         `json:"tags"`
	Security     []map[string]any `json:"security"`
	Parameters   []struct {
		Name, In, Description string
		Example               any
		Schema                json.RawMessage
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]json.RawMessage `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string                     `json:"description"`
		Content     map[string]json.RawMessage `json:"content"`
	} `json:"responses"`
}

// routes lists every operation of the document.
func routes(t *testing.T) []route {
	t.Helper()
	var document struct {
		OpenAPI string                      `json:"openapi"`
		Paths   map[string]map[string]route `json:"paths"`
	}
	if err := json.Unmarshal(served(t), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" {
		t.Errorf("openapi is %q", document.OpenAPI)
	}
	var all []route
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			r := document.Paths[path][method]
			r.method, r.path = strings.ToUpper(method), path
			all = append(all, r)
		}
	}
	if len(all) < 40 {
		t.Fatalf("the document has only %d operations", len(all))
	}
	return all
}

func TestEveryOperationIsDescribed(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range routes(t) {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			if r.ID == "" || ids[r.ID] {
				t.Errorf("operationId %q is missing or there twice", r.ID)
			}
			ids[r.ID] = true
			if r.Summary == "" || len(r.Tags) != 1 {
				t.Errorf("summary %q, tags %q: want one sentence and one tag", r.Summary, r.Tags)
			}
			if !slices.Contains([]string{"public", "read", "write", "operator", "operator_read", "session"}, r.Access) {
				t.Errorf("access is %q", r.Access)
			}
			if (r.Access == "public") != (len(r.Security) == 1 && len(r.Security[0]) == 0) {
				t.Errorf("access %s, but security %v", r.Access, r.Security)
			}
			r.checkResponses(t)
			for _, p := range r.Parameters {
				if p.Description == "" {
					t.Errorf("the parameter %s has no description", p.Name)
				}
			}
		})
	}
}

func (r *route) checkResponses(t *testing.T) {
	want := []string{"422", "500", "503"}
	if r.Access != "public" {
		want = append(want, "401", "403")
	}
	if strings.Contains(r.path, "{") {
		want = append(want, "404")
	}
	if r.RequestBody != nil {
		want = append(want, "400", "413", "415")
	}
	for _, status := range want {
		if len(r.Responses[status].Content["application/problem+json"]) == 0 {
			t.Errorf("there is no problem for %s", status)
		}
	}
	success := 0
	for status := range r.Responses {
		if status[0] == '2' {
			success++
		}
	}
	if success != 1 {
		t.Errorf("%d answers of success", success)
	}
}

// Lists are where a reader of the document begins.
func TestListsHaveExamples(t *testing.T) {
	for _, r := range routes(t) {
		if r.method != "GET" || !strings.HasPrefix(r.ID, "list") && r.ID != "reportClicks" {
			continue
		}
		examples := 0
		for _, p := range r.Parameters {
			if p.Example != nil || bytes.Contains(p.Schema, []byte(`"default"`)) || bytes.Contains(p.Schema, []byte(`"enum"`)) {
				examples++
			} else if p.Name != "cursor" {
				t.Errorf("%s: the parameter %s has no example", r.ID, p.Name)
			}
		}
		if len(r.Parameters) > 0 && examples == 0 {
			t.Errorf("%s has no example", r.ID)
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Description string `json:"description"`
				} `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(served(t), &document); err != nil {
		t.Fatal(err)
	}
	for name, schema := range document.Components.Schemas {
		for field, property := range schema.Properties {
			if property.Description == "" && field != "items" {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}
