package affiliate

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// validationFile is testdata/validation.json.
type validationFile struct {
	About string
	Site  Site
	Cases []struct {
		Name     string
		Site     *Site
		Program  *Program
		Operator *bool
		Link     Link
		Expect   []expectedFault
		Warnings []expectedFault
	}
}

type expectedFault struct{ Field, Says string }

func TestValidationVectors(t *testing.T) {
	b, err := os.ReadFile("../../testdata/validation.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	var f validationFile
	if err := d.Decode(&f); err != nil {
		t.Fatal(err)
	}
	if len(f.Cases) < 100 {
		t.Errorf("there are %d cases", len(f.Cases))
	}
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			in := Surroundings{Site: f.Site, Program: c.Program, Operator: c.Operator == nil || *c.Operator}
			if c.Site != nil {
				in.Site = *c.Site
			}
			c.Link.Normalize()
			warnings, err := c.Link.Validate(in)
			compareFaults(t, "faults", faultsOf(t, err), c.Expect)
			compareFaults(t, "warnings", warnings, c.Warnings)
		})
	}
}

func faultsOf(t *testing.T, err error) []Fault {
	t.Helper()
	var e *Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &e) || e.Code != Invalid {
		t.Fatalf("the error is not one of the caller's: %v", err)
	}
	return e.Faults
}

func compareFaults(t *testing.T, what string, got []Fault, want []expectedFault) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %v; want %v", what, got, want)
		return
	}
	for i := range want {
		if got[i].Field != want[i].Field || !strings.Contains(got[i].Message, want[i].Says) {
			t.Errorf("%s: %v; want %v", what, got[i], want[i])
		}
	}
}

func TestNormalizeLink(t *testing.T) {
	l := Link{Slug: " Summer//Deal/ ", Program: " ACME ", Tags: []string{"B", "b ", "", "a"}, Fallback: " https://shop.example/ü ",
		Destinations: []Destination{{URL: " https://shop.example/ "}},
		Rules:        []Rule{{When: []Condition{{On: OnCountry, In: []string{" de"}}, {On: OnQuery, Name: "q", In: []string{"Ab"}}, {On: OnLanguage, NotIn: []string{"PT-BR"}}}, Destinations: []Destination{{URL: "x"}, {URL: "y", ID: "own"}}}}}
	l.Normalize()
	b, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":0,"site":"","slug":"summer/deal","status":"active","destinations":[{"id":"a","url":"https://shop.example/","weight":1}],` +
		`"rules":[{"id":"rule1","when":[{"on":"country","in":["DE"]},{"on":"query","name":"q","in":["Ab"]},{"on":"language","not_in":["pt-br"]}],` +
		`"destinations":[{"id":"a","url":"x","weight":0},{"id":"own","url":"y","weight":0}]}],"fallback":"https://shop.example/%C3%BC","code":302,"program":"acme","query":{"mode":"drop"},"tags":["b","a"]}`
	if got := string(b); got != strings.Replace(want, `"query":{"mode":"drop"},`, "", 1) {
		t.Errorf("\n have %s\n want %s", got, want)
	}
	again := l
	again.Normalize()
	if c, _ := json.Marshal(again); string(c) != string(b) {
		t.Errorf("normalised twice it is %s", c)
	}
}

func TestValidateSitesProgramsPartners(t *testing.T) {
	for name, c := range map[string]struct {
		thing interface {
			Normalize()
			Validate() error
		}
		field, says string // "" for a good one
	}{
		"a site":                          {&Site{ID: "Main", Hosts: []string{"Blog.Example:80", "[2001:DB8::1]"}, Prefix: "GO", DefaultURL: "https://blog.example/go/start"}, "", ""},
		"no id":                           {&Site{}, "id", "is missing"},
		"an id with a space":              {&Site{ID: "a b"}, "id", "may contain"},
		"a host with a path":              {&Site{ID: "a", Hosts: []string{"blog.example/x"}}, "hosts[0]", "is not a host name"},
		"brackets around nothing":         {&Site{ID: "a", Hosts: []string{"[x]"}}, "hosts[0]", "is not an IPv6 address"},
		"a prefix with a dot":             {&Site{ID: "a", Prefix: "/a.b/"}, "prefix", "may contain"},
		"an empty part of a prefix":       {&Site{ID: "a", Prefix: "/a//b/"}, "prefix", "has an empty part"},
		"a reserved prefix":               {&Site{ID: "a", Prefix: "/api/"}, "prefix", "is reserved"},
		"a long prefix":                   {&Site{ID: "a", Prefix: strings.Repeat("x", 70)}, "prefix", "longer than 64"},
		"a default with a macro":          {&Site{ID: "a", DefaultURL: "https://shop.example/{link}"}, "default_url", "macros are not available"},
		"a default that forbids it":       {&Site{ID: "a", DefaultURL: "https://www.amazon.de/?tag=me-21"}, "default_url", "may not be hidden"},
		"a default round in a circle":     {&Site{ID: "a", Hosts: []string{"s.example"}, Prefix: "/", DefaultURL: "https://s.example/home"}, "default_url", "go round in a circle"},
		"a program":                       {&Program{ID: "acme", Network: "AWIN", DeepLink: &DeepLink{Hosts: []string{"https://Shop.example/", "*.shop.example", "http://x.example:8080"}}}, "", ""},
		"a network that is none":          {&Program{ID: "acme", Network: "nobody"}, "network", "known networks: admitad"},
		"a control character in a name":   {&Program{ID: "acme", PartnerParam: "re\x11f"}, "partner_param", "is not a parameter name"},
		"every host":                      {&Program{ID: "acme", DeepLink: &DeepLink{Hosts: []string{"*.com"}}}, "deep_link.hosts[0]", "would allow every host below it"},
		"a host with a path as entry":     {&Program{ID: "acme", DeepLink: &DeepLink{Hosts: []string{"shop.example/p"}}}, "deep_link.hosts[0]", "is not a host name"},
		"a permission that is none":       {&Program{ID: "acme", Policy: &Policy{Redirect: "maybe"}}, "policy.redirect", "is not one of allowed, forbidden"},
		"a sub-ID of a program":           {&Program{ID: "acme", SubID: &SubID{Param: "s", Value: "a b"}}, "sub_id.value", "percent-encode the rest"},
		"a partner":                       {&Partner{Program: "acme", Code: "Anna.B"}, "", ""},
		"a partner's code":                {&Partner{Program: "acme", Code: "an na"}, "code", "may contain"},
		"a code that names cannot end in": {&Partner{Program: "acme", Code: "anna."}, "code", "must end in a letter or a digit"},
	} {
		t.Run(name, func(t *testing.T) {
			c.thing.Normalize()
			var want []expectedFault
			if c.field != "" {
				want = []expectedFault{{c.field, c.says}}
			}
			compareFaults(t, "faults", faultsOf(t, c.thing.Validate()), want)
		})
	}
}

func TestErrors(t *testing.T) {
	err := error(&Error{Code: Invalid, Message: "the link is not valid", Faults: []Fault{{"url", "is missing"}, {"", "and more"}}})
	if got := err.Error(); got != "the link is not valid: url: is missing; and more" {
		t.Errorf("it reads %q", got)
	}
	if CodeOf(errors.Join(errors.New("x"), err)) != Invalid || CodeOf(errors.New("x")) != "" {
		t.Error("codes are not found")
	}
}
