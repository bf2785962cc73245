package ledger

import (
	"slices"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
)

type sums = map[Account]affiliate.Money

func TestDelta(t *testing.T) {
	anna, ben, cost := Pending("acme", "anna"), Pending("acme", "ben"), Cost("acme")
	annaOwed, benOwed := Owed("acme", "anna"), Owed("acme", "ben")
	for _, c := range []struct {
		name    string
		have    sums
		want    []Want
		why     Why
		entries []Entry
	}{
		{"nothing and nothing", nil, nil, "", nil},
		{"an order that earns nothing", nil, []Want{{Partner: "anna", Pending: eur(0), Owed: eur(0)}}, "", nil},
		{"an order", nil, []Want{{Partner: "anna", Pending: eur(500), Owed: eur(0)}}, Accrued, []Entry{{anna, eur(500)}, {cost, eur(-500)}}},
		{"an order of two partners", nil, []Want{{Partner: "ben", Pending: eur(334)}, {Partner: "anna", Pending: eur(333)}}, Accrued,
			[]Entry{{anna, eur(333)}, {ben, eur(334)}, {cost, eur(-667)}}},
		{"two touches of one partner", nil, []Want{{Partner: "anna", Pending: eur(1)}, {Partner: "anna", Pending: eur(2)}}, Accrued, []Entry{{anna, eur(3)}, {cost, eur(-3)}}},
		{"approved at once", nil, []Want{{Partner: "anna", Owed: eur(500)}}, Accrued, []Entry{{annaOwed, eur(500)}, {cost, eur(-500)}}},
		{"our own", nil, []Want{{Pending: eur(500)}}, Accrued, []Entry{{"own/acme/pending", eur(500)}, {cost, eur(-500)}}},
		{"again after a reversal", sums{anna: eur(0), cost: eur(0)}, []Want{{Partner: "anna", Pending: eur(500)}}, Accrued, []Entry{{anna, eur(500)}, {cost, eur(-500)}}},
		{"the same again", sums{anna: eur(500), cost: eur(-500)}, []Want{{Partner: "anna", Pending: eur(500)}}, "", nil},
		{"approved", sums{anna: eur(500), cost: eur(-500)}, []Want{{Partner: "anna", Owed: eur(500)}}, Approved, []Entry{{annaOwed, eur(500)}, {anna, eur(-500)}}},
		{"approved in part", sums{anna: eur(500), cost: eur(-500)}, []Want{{Partner: "anna", Pending: eur(200), Owed: eur(300)}}, Approved, []Entry{{annaOwed, eur(300)}, {anna, eur(-300)}}},
		{"one of two approved", sums{anna: eur(5), ben: eur(5), cost: eur(-10)}, []Want{{Partner: "anna", Pending: eur(5)}, {Partner: "ben", Owed: eur(5)}}, Approved,
			[]Entry{{benOwed, eur(5)}, {ben, eur(-5)}}},
		{"approved with another amount", sums{anna: eur(500), cost: eur(-500)}, []Want{{Partner: "anna", Owed: eur(400)}}, Changed,
			[]Entry{{annaOwed, eur(400)}, {anna, eur(-500)}, {cost, eur(100)}}},
		{"no longer approved", sums{annaOwed: eur(500), cost: eur(-500)}, []Want{{Partner: "anna", Pending: eur(500)}}, Changed, []Entry{{annaOwed, eur(-500)}, {anna, eur(500)}}},
		{"approved for another", sums{anna: eur(500), cost: eur(-500)}, []Want{{Partner: "ben", Owed: eur(500)}}, Changed, []Entry{{anna, eur(-500)}, {benOwed, eur(500)}}},
		{"another amount", sums{anna: eur(500), cost: eur(-500)}, []Want{{Partner: "anna", Pending: eur(300)}}, Changed, []Entry{{anna, eur(-200)}, {cost, eur(200)}}},
		{"one of two goes", sums{anna: eur(5), ben: eur(5), cost: eur(-10)}, []Want{{Partner: "ben", Pending: eur(5)}}, Changed, []Entry{{anna, eur(-5)}, {cost, eur(5)}}},
		{"another currency", sums{anna: eur(500), cost: eur(-500)}, []Want{{Partner: "anna", Pending: jpy(800)}}, Changed,
			[]Entry{{anna, eur(-500)}, {anna, jpy(800)}, {cost, eur(500)}, {cost, jpy(-800)}}},
		{"reversed", sums{anna: eur(500), cost: eur(-500)}, nil, Reversed, []Entry{{anna, eur(-500)}, {cost, eur(500)}}},
		{"reversed, said with zeros", sums{annaOwed: eur(5), ben: eur(5), cost: eur(-10)}, []Want{{Partner: "anna", Owed: eur(0)}, {Partner: "ben", Pending: eur(0)}}, Reversed,
			[]Entry{{annaOwed, eur(-5)}, {ben, eur(-5)}, {cost, eur(10)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 10 { // maps come in another order each time
				why, entries := Delta("acme", "acme/tx1", c.have, c.want)
				if why != c.why || !slices.Equal(entries, c.entries) {
					t.Fatalf("the delta is %q %v\n want %q %v", why, entries, c.why, c.entries)
				}
			}
		})
	}
}

// To take the sums of an account for those of a subject would undo payouts.
func TestDeltaStopsAtAccountsOfOthers(t *testing.T) {
	for _, account := range []Account{InPayout("acme", "anna"), PaidOut("acme", "anna"), FX("EUR"), Pending("shop", "anna"), Cost("shop"), ""} {
		if !panics(func() { Delta("acme", "acme/tx1", sums{account: eur(1)}, nil) }) {
			t.Errorf("entries on %q are taken for those of a conversion", account)
		}
	}
}

// The sums by account could not tell them apart the next time.
func TestDeltaStopsAtTwoCurrencies(t *testing.T) {
	for _, want := range [][]Want{{{Partner: "anna", Pending: eur(1), Owed: jpy(1)}}, {{Partner: "anna", Owed: eur(1)}, {Partner: "ben", Owed: jpy(1)}}} {
		if !panics(func() { Delta("acme", "acme/tx1", nil, want) }) {
			t.Errorf("a conversion has %v", want)
		}
	}
	if panics(func() {
		Delta("acme", "acme/tx1", nil, []Want{{Partner: "anna", Pending: eur(1), Owed: jpy(0)}, {Partner: "ben"}})
	}) {
		t.Error("an amount of 0 has a currency that counts")
	}
}

func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

// What 64 bits cannot hold never becomes a posting.
func TestDeltaNeverWraps(t *testing.T) {
	want := []Want{{Partner: "anna", Pending: eur(744_073_709_570_062 + 5)}}
	for range 18_446 { // in 64 bits these sum to 5
		want = append(want, Want{Partner: "anna", Pending: eur(amountMax)})
	}
	why, entries := Delta("acme", "acme/tx1", nil, want)
	p := Posting{ID: "x/1", At: noon, Why: why, Subject: "x", Entries: entries}
	if p.Check() == nil {
		t.Errorf("the posting %v was made", entries)
	}
}

func TestPartnersWithBadCodesArePostedNowhere(t *testing.T) {
	why, entries := Delta("acme", "acme/tx1", nil, []Want{{Partner: "an/na", Pending: eur(500)}})
	p := Posting{ID: "x/1", At: noon, Why: why, Subject: "x", Entries: entries}
	if p.Check() == nil {
		t.Errorf("the posting %v was made", entries)
	}
}

func TestPostingID(t *testing.T) {
	if PostingID("acme/tx1", 2) != "acme/tx1/2" || PostingID("acme/tx1", 12) == PostingID("acme/tx1/1", 2) {
		t.Error("the ids of postings are not told apart")
	}
}
