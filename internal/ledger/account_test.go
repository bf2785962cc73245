package ledger

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAccountNames(t *testing.T) {
	for _, c := range []struct {
		account          Account
		name             string
		kind             Kind
		program, partner string
	}{
		{Pending("acme", "anna"), "partner/acme/anna/pending", KindPending, "acme", "anna"},
		{Owed("acme", "anna"), "partner/acme/anna/owed", KindOwed, "acme", "anna"},
		{InPayout("acme", "anna"), "partner/acme/anna/in_payout", KindInPayout, "acme", "anna"},
		{PaidOut("acme", "anna"), "partner/acme/anna/paid_out", KindPaidOut, "acme", "anna"},
		{Owed("acme", ""), "own/acme/owed", KindOwed, "acme", ""},
		{Cost("acme"), "program/acme/cost", KindCost, "acme", ""},
		{FX("EUR"), "fx/EUR", KindFX, "", ""},
		{Owed("own", "partner"), "partner/own/partner/owed", KindOwed, "own", "partner"},
		{Owed(strings.Repeat("a", 64), "b"), "partner/" + strings.Repeat("a", 64) + "/b/owed", KindOwed, strings.Repeat("a", 64), "b"},
	} {
		if string(c.account) != c.name {
			t.Errorf("the account is %q, want %q", c.account, c.name)
		}
		kind, program, partner, ok := c.account.Parse()
		if !ok || kind != c.kind || program != c.program || partner != c.partner {
			t.Errorf("%s is %q %q %q %v", c.account, kind, program, partner, ok)
		}
	}
}

func TestBadIDsHaveNoAccount(t *testing.T) {
	for _, id := range []string{"a/b", "/", "a:b", "a b", "a\n", "\x7f", strings.Repeat("a", 65)} {
		for _, account := range []Account{Pending(id, "anna"), Owed("acme", id), InPayout(id, ""), PaidOut("acme", id), Cost(id)} {
			if account != "" {
				t.Errorf("the id %q makes the account %q", id, account)
			}
		}
	}
	if Pending("", "anna") != "" || Owed("", "") != "" || Cost("") != "" || FX("eur") != "" || FX("") != "" {
		t.Error("a program without id, or a currency that is not known, has an account")
	}
	for _, name := range []Account{"", "/", "own", "partner/acme/anna", "partner/acme//owed", "partner//anna/owed", "own/acme/cost", "own//owed", "partner/acme/anna/cost",
		"program/acme/owed", "program/acme/pending", "program//cost", "fx/eur", "fx/", "fx/ABC", "own/acme/owed/", "/own/acme/owed", "partner/acme/an/na/owed", "Own/acme/owed", "own/acme/fx"} {
		if kind, program, partner, ok := name.Parse(); ok {
			t.Errorf("%q is an account: %s %s %s", name, kind, program, partner)
		}
	}
}

// However odd the ids, no two holders share an account.
func TestAccountsAreToldApart(t *testing.T) {
	id := rapid.OneOf(rapid.StringMatching(`[a-z/:. ]{0,4}`), rapid.String(), rapid.SampledFrom([]string{"own", "partner", "owed", "fx", "EUR"}))
	makers := []func(program, partner string) Account{Pending, Owed, InPayout, PaidOut, func(program, _ string) Account { return Cost(program) }}
	kinds := []Kind{KindPending, KindOwed, KindInPayout, KindPaidOut, KindCost}
	rapid.Check(t, func(t *rapid.T) {
		program, partner, i := id.Draw(t, "program"), id.Draw(t, "partner"), rapid.IntRange(0, len(makers)-1).Draw(t, "kind")
		account := makers[i](program, partner)
		kind, ofProgram, ofPartner, ok := account.Parse()
		if ok != (account != "") {
			t.Fatalf("%q was made and is parsed as %v", account, ok)
		}
		if kinds[i] == KindCost {
			partner = ""
		}
		if ok && (kind != kinds[i] || ofProgram != program || ofPartner != partner) {
			t.Fatalf("%q of %q %q %q is %q %q %q", account, kinds[i], program, partner, kind, ofProgram, ofPartner)
		}
	})
}
