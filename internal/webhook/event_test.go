package webhook

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/commission"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

type share struct {
	partner, click string
	minor          int64
}

// order is a conversion of 100.00 EUR in a state, with shares.
func order(state affiliate.State, revision int64, shares ...share) store.Conversion {
	c := store.Conversion{
		ID: "9k3v", Program: "acme", Tx: "A/17 &", State: state, At: begin.Add(-time.Hour), Updated: begin,
		Order: affiliate.Money{Minor: 10000, Currency: "EUR"}, Revision: revision, Customer: "hash-of-customer", Visitor: "v1sitor",
	}
	var all []commission.Share
	var path []affiliate.PathTouch
	for _, s := range shares {
		all = append(all, commission.Share{Partner: s.partner, ClickID: s.click, Amount: affiliate.Money{Minor: s.minor, Currency: "EUR"}})
		path = append(path, affiliate.PathTouch{ClickID: s.click, Sub1: "sub of " + s.click})
	}
	c.Shares, _ = json.Marshal(all)
	c.Path, _ = json.Marshal(path)
	return c
}

func everybody() Subscribers {
	return Subscribers{
		Endpoints: []Endpoint{{ID: "all"}},
		Postbacks: []PartnerPostback{{Program: "acme", Partner: "anna"}, {Program: "acme", Partner: "ben"}},
	}
}

// told lists what messages say, as "target: event".
func told(t *testing.T, messages []store.Message) (all []string) {
	t.Helper()
	for _, m := range messages {
		var body struct{ Type, Event string }
		must(t, json.Unmarshal(m.Body, &body))
		all = append(all, strings.TrimPrefix(m.Target, "postback/acme/")+": "+strings.TrimPrefix(body.Type+body.Event, "conversion."))
	}
	return all
}

func TestEvents(t *testing.T) {
	anna, less, ben := share{"anna", "c1", 600}, share{"anna", "c1", 300}, share{"ben", "c2", 300}
	ours := share{"", "c3", 100}
	flagged := order(affiliate.Pending, 1, anna)
	flagged.Flagged = true
	o := order
	at := func(c store.Conversion) *store.Conversion { return &c }
	for _, c := range []struct {
		name   string
		before *store.Conversion
		after  store.Conversion
		want   string
	}{
		{"an order", nil, o(affiliate.Pending, 1, anna), "webhook/all: created, anna: created"},
		{"an order without a click", nil, o(affiliate.Unmatched, 1), ""},
		{"whose click becomes known", at(o(affiliate.Unmatched, 1)), o(affiliate.Pending, 2, anna), "webhook/all: created, anna: created"},
		{"an approved order", nil, o(affiliate.Approved, 1, anna), "webhook/all: created, webhook/all: approved, anna: created, anna: approved"},
		{"an order and its reversal", nil, o(affiliate.Reversed, 1), "webhook/all: reversed"},
		{"the hold ends", at(o(affiliate.Pending, 1, anna)), o(affiliate.Approved, 2, anna), "webhook/all: approved, anna: approved"},
		{"the network pays", at(o(affiliate.Approved, 1, anna)), o(affiliate.Paid, 2, anna), "webhook/all: changed, anna: changed"},
		{"reversed", at(o(affiliate.Approved, 1, anna, ben)), o(affiliate.Reversed, 2), "webhook/all: reversed, anna: reversed, ben: reversed"},
		{"restored", at(o(affiliate.Reversed, 1)), o(affiliate.Pending, 2, anna), "webhook/all: changed, anna: changed"},
		{"restored and approved", at(o(affiliate.Reversed, 1)), o(affiliate.Approved, 2, ours), "webhook/all: approved"},
		{"half goes to ben", at(o(affiliate.Pending, 1, anna)), o(affiliate.Pending, 2, less, ben), "webhook/all: changed, anna: changed, ben: created"},
		{"all goes to ben", at(o(affiliate.Pending, 1, anna)), o(affiliate.Pending, 2, ben), "webhook/all: changed, anna: reversed, ben: created"},
		{"the click is lost", at(o(affiliate.Pending, 1, anna)), o(affiliate.Unmatched, 2), "webhook/all: changed, anna: reversed"},
		{"held", at(o(affiliate.Pending, 1, anna)), flagged, "webhook/all: changed"},
		{"nothing to be seen", at(o(affiliate.Pending, 1, anna)), o(affiliate.Pending, 2, anna), ""},
		{"ours alone", nil, o(affiliate.Pending, 1, ours), "webhook/all: created"},
	} {
		got, err := Events(Change{Before: c.before, After: c.after, At: begin}, everybody())
		must(t, err)
		if text := strings.Join(told(t, got), ", "); text != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, text, c.want)
		}
	}
}

func TestWhoIsTold(t *testing.T) {
	for _, c := range []struct {
		name     string
		endpoint Endpoint
		want     bool
	}{
		{"all", Endpoint{}, true},
		{"this program", Endpoint{Program: "acme"}, true},
		{"another", Endpoint{Program: "other"}, false},
		{"this event", Endpoint{Events: []Type{ConversionCreated}}, true},
		{"others", Endpoint{Events: []Type{ConversionApproved, PayoutSent}}, false},
		{"disabled", Endpoint{Disabled: true}, false},
	} {
		got, err := Events(Change{After: order(affiliate.Pending, 1), At: begin}, Subscribers{Endpoints: []Endpoint{c.endpoint}})
		if must(t, err); (len(got) == 1) != c.want {
			t.Errorf("%s: %d messages", c.name, len(got))
		}
	}
}

// What a customer or a visitor is called stays in the books.
func TestPayloadNamesNoCustomer(t *testing.T) {
	got, err := Events(Change{After: order(affiliate.Pending, 1, share{"anna", "c1", 600}), At: begin}, everybody())
	must(t, err)
	for _, m := range got {
		if text := string(m.Body); strings.Contains(text, "hash-of-customer") || strings.Contains(text, "v1sitor") {
			t.Errorf("%s is told %s", m.Target, text)
		}
	}
}

// A transaction that is tried again makes the same messages; every other change, event or
// target has a name of its own.
func TestMessageIDs(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		subject, revision := rapid.SampledFrom([]string{"a", "a1", "payout:x"}).Draw(t, "subject"), rapid.Int64Range(1, 20).Draw(t, "revision")
		event, key := rapid.SampledFrom(Types).Draw(t, "event"), rapid.SampledFrom([]string{"webhook/a", "webhook/b", "postback/a/b"}).Draw(t, "key")
		id := messageID(subject, revision, event, key)
		what := strings.Join([]string{subject, string(rune('0' + revision)), string(event), key}, " ")
		if other, known := seen[id]; known && other != what || id != messageID(subject, revision, event, key) || strings.ContainsAny(id, ". ") {
			t.Fatalf("%s is named %s, as %s", what, id, other)
		}
		seen[id] = what
	})
	change := Change{After: order(affiliate.Pending, 1, share{"anna", "c1", 600}), At: begin}
	first, err := Events(change, everybody())
	must(t, err)
	again, err := Events(change, everybody())
	must(t, err)
	p := open(t, nil)
	for _, batch := range [][]store.Message{first, again} {
		p.update(func(w store.Writer) error { return w.Books().Enqueue(batch) })
	}
	if n := len(p.waiting()); n != 2 || len(first) != 2 {
		t.Errorf("%d messages in the outbox, %d made; want 2", n, len(first))
	}
}

func TestDamagedBooksAreNotTold(t *testing.T) {
	bad := order(affiliate.Pending, 1)
	bad.Shares = []byte(`{"no":`)
	if _, err := Events(Change{After: bad}, everybody()); err == nil {
		t.Error("shares that cannot be read were told")
	}
}

func TestPayoutEvents(t *testing.T) {
	p := ledger.Payout{ID: "acme:anna:EUR:1", Program: "acme", Partner: "anna", Amount: affiliate.Money{Minor: 6000, Currency: "EUR"}, State: ledger.PayoutApproved}
	var ids []string
	for _, c := range []struct {
		state ledger.PayoutState
		want  []string
	}{{ledger.PayoutDraft, nil}, {ledger.PayoutApproved, nil}, {ledger.PayoutSent, []string{"webhook/all: payout.sent"}}, {ledger.PayoutUndone, []string{"webhook/all: payout.undone"}}} {
		p.State = c.state
		got, err := PayoutEvents(p, everybody())
		must(t, err)
		if text := told(t, got); !slices.Equal(text, c.want) {
			t.Errorf("%s: %q", c.state, text)
		}
		for _, m := range got {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("ids: %q", ids)
	}
}

func TestPostbackValues(t *testing.T) {
	got, err := Events(Change{
		Before: &store.Conversion{State: affiliate.Unmatched}, At: begin,
		After: order(affiliate.Pending, 2, share{"anna", "c1", 100}, share{"ben", "c2", 300}, share{"anna", "c3", 200}),
		Subs:  map[string][]string{"c3": {"one", "", "three"}},
	}, Subscribers{Postbacks: everybody().Postbacks[:1]})
	must(t, err)
	var v values
	must(t, json.Unmarshal(got[0].Body, &v))
	url, err := expand("https://t.example/?{click_id}|{txid}|{amount}|{commission}|{currency}|{status}|{event}|{sub1}|{sub2}|{sub3}|{sub10}|{time}", func(m string) string { return v[m] })
	must(t, err)
	if want := "https://t.example/?c3|A%2F17%20%26|100.00|3.00|EUR|pending|conversion.created|one||three||1795773600"; url != want {
		t.Errorf("got  %s\nwant %s", url, want)
	}
	lost, err := Events(Change{
		Before: ptr(order(affiliate.Pending, 1, share{"anna", "c1", 100})), After: order(affiliate.Pending, 2, share{"ben", "c2", 100}), At: begin,
	}, Subscribers{Postbacks: everybody().Postbacks[:1]})
	must(t, err)
	v = nil
	must(t, json.Unmarshal(lost[0].Body, &v))
	if v["status"] != "reversed" || v["commission"] != "0.00" || v["click_id"] != "c1" || v["sub1"] != "sub of c1" {
		t.Errorf("what went to somebody else is told as %v", v)
	}
}

func ptr[T any](v T) *T { return &v }

func TestExpandRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		url, err := expand("https://t.example/{txid}?a={sub1}&b=c", func(string) string { return value })
		if err != nil {
			t.Fatal(err)
		}
		if fault := (Policy{}).urlFault(url); fault != "" && len(url) <= urlBytesMax {
			t.Fatalf("%q: %s", url, fault)
		}
	})
}

func TestValidation(t *testing.T) {
	good := Endpoint{ID: "shop", URL: "https://shop.example/hook", Secret: newKey}
	for _, c := range []struct {
		name   string
		change func(*Endpoint)
		policy Policy
		want   string
	}{
		{"good", func(*Endpoint) {}, Policy{}, ""},
		{"a port", func(e *Endpoint) { e.URL = "https://shop.example:8443/" }, Policy{}, ""},
		{"no id", func(e *Endpoint) { e.ID = "" }, Policy{}, "id: is missing"},
		{"odd id", func(e *Endpoint) { e.ID = "a/b" }, Policy{}, `id: "a/b" may contain`},
		{"no URL", func(e *Endpoint) { e.URL = "" }, Policy{}, "url: the URL is missing"},
		{"http", func(e *Endpoint) { e.URL = "http://shop.example/" }, Policy{}, "by https"},
		{"http allowed", func(e *Endpoint) { e.URL = "http://shop.example/" }, Policy{AllowPlain: true}, ""},
		{"scheme", func(e *Endpoint) { e.URL = "ftp://shop.example/" }, Policy{}, "starts with https://"},
		{"no host", func(e *Endpoint) { e.URL = "https:///x" }, Policy{}, "starts with https://"},
		{"user", func(e *Endpoint) { e.URL = "https://a:b@shop.example/" }, Policy{}, "user name"},
		{"fragment", func(e *Endpoint) { e.URL = "https://shop.example/#a" }, Policy{}, "#"},
		{"space", func(e *Endpoint) { e.URL = "https://shop.example/a b" }, Policy{}, "position 23"},
		{"long", func(e *Endpoint) { e.URL += strings.Repeat("a", 3000) }, Policy{}, "at most 2048"},
		{"other port", func(e *Endpoint) { e.URL = "https://shop.example:22/" }, Policy{}, "neither 80, 443 nor 8443"},
		{"port 0", func(e *Endpoint) { e.URL = "https://shop.example:0/" }, Policy{}, "not a port"},
		{"loopback", func(e *Endpoint) { e.URL = "https://127.0.0.1/" }, Policy{}, "private"},
		{"localhost", func(e *Endpoint) { e.URL = "https://localhost/" }, Policy{}, "private"},
		{"metadata", func(e *Endpoint) { e.URL = "http://169.254.169.254/latest" }, loopback, "private"},
		{"allowed", func(e *Endpoint) { e.URL = "http://127.0.0.1:9/" }, loopback, ""},
		{"macro", func(e *Endpoint) { e.URL = "https://shop.example/{txid}" }, Policy{}, "percent-encoded"},
		{"no secret", func(e *Endpoint) { e.Secret = "" }, Policy{}, "secret: a secret starts with whsec_"},
		{"short secret", func(e *Endpoint) { e.Secret = "whsec_YWJj" }, Policy{}, "secret: the secret has 3 bytes"},
		{"odd secret", func(e *Endpoint) { e.Secret = "whsec_%%%" }, Policy{}, "not base64"},
		{"old secret", func(e *Endpoint) { e.OldSecret = "x" }, Policy{}, "old_secret"},
		{"event", func(e *Endpoint) { e.Events = []Type{"conversion.gone"} }, Policy{}, `events[0]: "conversion.gone" is not one of`},
	} {
		e := good
		c.change(&e)
		e.Normalize()
		err := e.Validate(c.policy)
		if c.want == "" && err != nil || c.want != "" && (affiliate.CodeOf(err) != affiliate.Invalid || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for url, want := range map[string]string{
		"https://t.example/{txid}?a={sub10}":       "",
		"https://t.example/{sub11}":                "unknown macro {sub11}; known: {click_id}",
		"https://t.example/{TXID}":                 "unknown macro {TXID}",
		"https://t.example/{}":                     "unknown macro {}",
		"https://{sub1}/":                          "behind the host",
		"https://t.example{sub1}/":                 "behind the host",
		"{sub1}://t.example/":                      "behind the host",
		"https://t.example/{txid":                  "a { without its }",
		"https://t.example/txid}":                  "a } without its {",
		"https://10.1.2.3/{txid}":                  "private",
		"https://t.example/?{click_id}#{currency}": "#",
	} {
		b := PartnerPostback{Program: "acme", Partner: "anna", URL: url}
		err := b.Validate(Policy{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	payout := PartnerPostback{Program: "acme", Partner: "anna", URL: "https://t.example/", Events: []Type{PayoutSent}}
	if err := payout.Validate(Policy{}); err == nil {
		t.Error("a postback of payouts was accepted")
	}
}

func TestSaving(t *testing.T) {
	p := open(t, nil)
	p.save(Endpoint{ID: "shop", URL: "https://shop.example/"})
	p.update(func(w store.Writer) error {
		e := Endpoint{ID: "shop", URL: "https://shop.example/2", Version: 1}
		must(t, SaveEndpoint(w, &e, Policy{}))
		if e.Secret != newKey || e.Version != 2 || e.Shown().Secret != "" {
			t.Errorf("saved as %+v", e)
		}
		e.Version = 1
		if err := SaveEndpoint(w, &e, Policy{}); affiliate.CodeOf(err) != affiliate.Stale {
			t.Errorf("an old version: %v", err)
		}
		other := Endpoint{ID: "other", URL: "https://shop.example/", Secret: newKey, Program: "acme"}
		if err := SaveEndpoint(w, &other, Policy{}); affiliate.CodeOf(err) != affiliate.Invalid {
			t.Errorf("a program that is not there: %v", err)
		}
		to, err := Load(w.Documents(), "acme")
		if must(t, err); len(to.Endpoints) != 1 || to.Endpoints[0].URL != "https://shop.example/2" {
			t.Errorf("loaded %+v", to)
		}
		return nil
	})
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		addresses string
		allowed   bool
	}{
		{"8.8.8.8 1.1.1.1 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.169.0.1 11.0.0.1 223.255.255.255 ::ffff:8.8.8.8 2606:4700::1111 2a00::1 2003::1", true},
		{"127.0.0.1 127.255.255.255 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.127.255.255 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 198.18.0.1 192.0.0.8 192.0.2.1 203.0.113.9", false},
		{":: ::1 ::7f00:1 fc00::1 fd12::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 100::1", false},
		{"::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254", false},
		{"64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 2002:7f00:1::1 2002:808:808::1 2001::1 2001:db8::1 2000::1%eth0", false},
	} {
		for _, text := range strings.Fields(c.addresses) {
			if err := (Policy{}).check(netip.AddrPortFrom(netip.MustParseAddr(text), 443), false); (err == nil) != c.allowed {
				t.Errorf("%s: %v, want allowed: %v", text, err, c.allowed)
			}
		}
	}
	intranet := Policy{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("fe80::/10")}}
	for _, text := range []string{"10.1.2.3:25", "[64:ff9b::808:808]:443", "[::ffff:10.1.2.3]:25", "[fe80::1%eth0]:80"} {
		if err := intranet.check(netip.MustParseAddrPort(text), true); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"10.2.2.3:443", "8.8.8.8:25", "8.8.8.8:80"} {
		if err := intranet.check(netip.MustParseAddrPort(text), true); err == nil {
			t.Errorf("%s is allowed", text)
		}
	}
}
