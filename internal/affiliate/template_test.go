package affiliate

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestParseTemplate(t *testing.T) {
	parts, err := ParseTemplate("https://shop.example/{raw:query.Page_1.x-y}?c={click_id}&s={sub10}{ts}")
	want := []Part{{Literal: "https://shop.example/"}, {Macro: MacroQuery, Arg: "Page_1.x-y", Raw: true}, {Literal: "?c="}, {Macro: MacroClickID},
		{Literal: "&s="}, {Macro: MacroSub, Arg: "10"}, {Macro: MacroTime}}
	if err != nil || !slices.Equal(parts, want) {
		t.Errorf("%v: %+v", err, parts)
	}
	for template, says := range map[string]string{"{": "without its }", "}": "without its {", "a}b{link}": "without its {", "{}": "unknown macro {}", "{Click_ID}": "unknown macro", "{clickid}": "unknown macro",
		"{sub0}": "unknown macro", "{sub11}": "unknown macro", "{sub01}": "unknown macro", "{sub}": "unknown macro", "{query.}": "unknown macro", "{query.a b}": "unknown macro",
		"{query.\x11}": "unknown macro", "{raw:raw:link}": "unknown macro", "{{link}}": "unknown macro", "{raw:}": "unknown macro", "{\x00page}": "unknown macro"} {
		if _, err := ParseTemplate(template); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want %q", template, err, says)
		}
	}
}

func TestNormalizeURL(t *testing.T) {
	for typed, want := range map[string]string{" https://shop.example/größe?q=ü#ö ": "https://shop.example/gr%C3%B6%C3%9Fe?q=%C3%BC#%C3%B6",
		"https://größe.example/ü": "https://größe.example/%C3%BC", "https://shop.example/%C3%BC": "https://shop.example/%C3%BC", "": ""} {
		if got := NormalizeURL(typed); got != want {
			t.Errorf("%q becomes %q; want %q", typed, got, want)
		}
	}
}

func TestURLHost(t *testing.T) {
	for s, want := range map[string]string{"https://Shop.Example:8443/p": "shop.example", "https://me:pw@shop.example": "shop.example", "https://shop.example.?x": "shop.example",
		"android-app://com.example.app/": "com.example.app", "https://[2001:DB8::1]:80/": "[2001:db8::1]", "/p?u=https://x.example": "", "about:blank": "", "": "", "https://": "",
		"https://a.example#@b.example": "a.example", "https://a.example\\@b.example/": "b.example"} {
		if got := URLHost(s); got != want {
			t.Errorf("%q has host %q; want %q", s, got, want)
		}
	}
}

func TestHostMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, host string
		matches       bool
	}{
		{"shop.example", "shop.example", true}, {"shop.example", "x.shop.example", false}, {"shop.example", "evilshop.example", false},
		{"*.shop.example", "x.shop.example", true}, {"*.shop.example", "a.b.shop.example", true}, {"*.shop.example", "shop.example", false},
		{"*.shop.example", ".shop.example", false}, {"*.shop.example", "evilshop.example", false}, {"*.shop.example", "", false},
	} {
		if HostMatches(c.pattern, c.host) != c.matches {
			t.Errorf("%s matches %q: %v", c.pattern, c.host, !c.matches)
		}
	}
}

// Whatever AllowsDeepLink lets through must be, for another parser too, a URL on an
// allowed host.
func FuzzAllowsDeepLink(f *testing.F) {
	d := &DeepLink{Hosts: []string{"shop.example", "*.shop.example", "http://plain.example", "port.example:8443"}}
	for _, s := range []string{"https://shop.example/p?a#b", "http://plain.example", "https://port.example:8443/", "https://evil.example:80.shop.example/", "https://shop.example@evil.example",
		"https://x.shop.example/%2F", "https://[::1].shop.example", "https://shop.example\\@evil", "HTTPS://SHOP.EXAMPLE", "https://a;b.shop.example", "https://shop.example/%zz", "https://\u212ashop.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, page string) {
		if !d.AllowsDeepLink(page) {
			return
		}
		u, err := url.Parse(page)
		if err != nil {
			t.Fatalf("%q is allowed and no URL: %v", page, err)
		}
		host := strings.ToLower(u.Host)
		ok := host == "shop.example" || strings.HasSuffix(host, ".shop.example") || host == "plain.example" || host == "port.example:8443"
		if !ok || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && host == "plain.example") {
			t.Errorf("%q is allowed and leads to %s://%s", page, u.Scheme, u.Host)
		}
	})
}

func TestPresets(t *testing.T) {
	seen := map[string]string{}
	for _, name := range PresetNames() {
		p := PresetNamed(name)
		if p == nil || p.Name != name {
			t.Fatalf("the preset %s is not found by its name", name)
		}
		if p.Policy.Redirect == Denied && p.Reason == "" {
			t.Errorf("%s forbids redirects and does not say why", name)
		}
		for _, h := range p.Hosts {
			if f := deepHostFault(h); f != "" {
				t.Errorf("%s: %s", name, f)
			}
			if other := seen[h]; other != "" {
				t.Errorf("%s is of both %s and %s", h, other, name)
			}
			seen[h] = name
			destination := "https://" + strings.Replace(h, "*", "www", 1) + "/?" + p.Needs + "=1"
			if got := PresetFor(destination); got != p {
				t.Errorf("%s is not recognised as %s's", destination, name)
			}
		}
	}
	if PresetNamed("nobody") != nil || PresetFor("https://shop.example/") != nil || PresetFor("not a URL") != nil {
		t.Error("a preset is found where there is none")
	}
}

func TestTerms(t *testing.T) {
	amazon := "https://www.amazon.de/dp/1?tag=me-21"
	forbids := &Program{ID: "strict", Policy: &Policy{Redirect: Denied}}
	allows := &Program{ID: "agreed", Policy: &Policy{Redirect: Allowed, VisitorSubID: Allowed}}
	half := &Program{ID: "half", Policy: &Policy{Redirect: Allowed}}
	for name, c := range map[string]struct {
		program     *Program
		destination string
		want        Policy
	}{
		"Amazon":              {nil, amazon, Policy{Denied, Denied}},
		"Amazon without tag":  {nil, "https://www.amazon.de/dp/1", Policy{}},
		"Amazon's short host": {nil, "https://amzn.to/x", Policy{Denied, Denied}},
		"an agreement":        {allows, amazon, Policy{Allowed, Allowed}},
		"half an agreement":   {half, amazon, Policy{Allowed, Denied}},
		"a program's own":     {forbids, "https://shop.example/", Policy{Denied, ByPreset}},
	} {
		if got := TermsFor(c.program, c.destination); got.Policy != c.want {
			t.Errorf("%s: %+v; want %+v", name, got.Policy, c.want)
		}
	}
}
