package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// DocumentPath is where the OpenAPI document is served.
const DocumentPath = "/api/openapi.json"

const (
	schemaPrefix    = "#/components/schemas/"
	linkPatchSchema = "LinkPatch"
	bodyBytesMax    = 1 << 20
)

func (s *server) config() huma.Config {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Sluice", Version: "1",
				Description: "The control plane of Sluice: links, what they belong to, and what became of their visitors. " +
					"Errors are problems (RFC 9457) with a code; where the input has fields, errors lists those at fault. " +
					"Single things carry an ETag; changes take it as If-Match. " +
					"Programs send a token as `Authorization: Bearer sluice_…`; browsers log in and hold a cookie.",
				License: &huma.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"},
			},
			Servers: []*huma.Server{{URL: "/", Description: "This server."}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer":  {Type: "http", Scheme: "bearer", Description: "An API token, sluice_…, of the scope read or write."},
					"session": {Type: "apiKey", In: "cookie", Name: SessionCookie, Description: "What logging in sets."},
				},
			},
			Tags: []*huma.Tag{
				{Name: tagSessions, Description: "Logging in, and who one is."},
				{Name: tagUsers, Description: "Who may log in."},
				{Name: tagTokens, Description: "Credentials of programs."},
				{Name: tagLinks, Description: "Managed names and where they lead."},
				{Name: tagSites, Description: "Places on the web that serve links."},
				{Name: tagPrograms, Description: "Agreements with merchants."},
				{Name: tagPartners, Description: "Who sends visitors to a program that we pay."},
				{Name: tagChanges, Description: "The record of all changes."},
				{Name: tagIngest, Description: "What was clicked where another program answers."},
				{Name: tagReports, Description: "What was clicked."},
				{Name: tagConversions, Description: "Orders, and whose they are."},
				{Name: tagPayouts, Description: "What partners are owed and paid."},
				{Name: tagRates, Description: "What one currency is worth in another."},
				{Name: tagWebhooks, Description: "Who is told of conversions and payouts, and what could not be delivered."},
				{Name: "Status", Description: "How the server is."},
			},
		},
		Formats:       huma.DefaultFormats,
		DefaultFormat: "application/json",
	}
	// The patch is described when the link is known; its operation refers to it before.
	config.Components.Schemas.Map()[linkPatchSchema] = &huma.Schema{}
	return config
}

// document serves the description of all operations.
func (s *server) document() http.HandlerFunc {
	text, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		panic("BUG: the OpenAPI document cannot be encoded: " + err.Error())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // the caller is gone when this fails
	}
}

func (s *server) schemaOf(v any) *huma.Schema {
	t := reflect.TypeOf(v)
	return s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// describeSchemas completes the schemas with what the types behind them cannot
// say: the words of the nouns, closed sets of values, and which fields an answer
// always has.
func (s *server) describeSchemas() {
	schemas := s.api.OpenAPI().Components.Schemas.Map()
	for _, all := range []map[string]words{schemaWords, moneyWords, webhookWords} {
		for name, w := range all {
			schema := schemas[name]
			if schema == nil {
				panic("BUG: there is no schema " + name)
			}
			w.apply(name, schema)
		}
	}
	*schemas[linkPatchSchema] = *patchSchema(schemas["LinkInput"])
	for _, schema := range schemas {
		schema.PrecomputeMessages()
	}
}

// words complete one schema.
type words struct {
	doc      string
	required []string // nil: as the type says; none: nothing
	fields   map[string]field
}

// none says that no field is required: the rules of the business tell better
// what is missing.
var none = []string{}

// field completes one property.
type field struct {
	doc     string
	example any
	values  []any
	server  bool // only the server says it
}

func (w words) apply(name string, schema *huma.Schema) {
	schema.Description = w.doc
	if w.required != nil {
		schema.Required = w.required
	}
	for property, f := range w.fields {
		p := schema.Properties[property]
		if p == nil {
			panic("BUG: " + name + " has no field " + property)
		}
		p.Description = f.doc
		if f.example != nil {
			p.Examples = []any{f.example}
		}
		if f.values != nil && p.Type == huma.TypeArray {
			items := *p.Items
			items.Enum = f.values
			p.Items = &items
		} else if f.values != nil {
			p.Enum = f.values
		}
		p.ReadOnly = p.ReadOnly || f.server && strings.HasSuffix(name, "Input")
	}
}

// patchSchema is a schema's merge patch: everything may be left out, or null.
func patchSchema(of *huma.Schema) *huma.Schema {
	patch := &huma.Schema{
		Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, AdditionalProperties: false,
		Description: "A JSON merge patch of a link: what is given replaces, null removes.",
	}
	for name, p := range of.Properties {
		if p.Ref != "" {
			patch.Properties[name] = &huma.Schema{Description: p.Description, OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
			continue
		}
		nullable := *p
		nullable.Nullable = true
		patch.Properties[name] = &nullable
	}
	return patch
}
