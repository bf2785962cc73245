package affiliate

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNewReportID(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 123_456_789, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		one, other, later := NewReportID(at, a), NewReportID(at, b), NewReportID(at.Add(time.Millisecond), 0)
		id, err := ParseClickID(one)
		if err != nil || len(one) != 24 || !id.Time().Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("%q is of %v: %v", one, id.Time(), err)
		}
		if (a == b) != (one == other) {
			t.Fatalf("%x and %x are %q and %q", a, b, one, other)
		}
		if one >= later {
			t.Fatalf("%q does not sort before %q", one, later)
		}
	})
	if NewReportID(at, 1<<63) == NewReportID(at, 0) {
		t.Error("the top bits are lost")
	}
}

func TestParseReason(t *testing.T) {
	for text, want := range map[string]Reason{
		"": "", "  ": "", "fraud": ReasonFraud, "Item returned": ReasonReturned, "item-returned": ReasonReturned, "OUT_OF_STOCK": ReasonOutOfStock,
		"REJECTED": ReasonRejected, "CONS_INFO_INVALID": ReasonInfoInvalid, "CONS_ERROR": ReasonError, "CONS_FRAUD": ReasonFraud,
		"ITEM_RETURNED": ReasonReturned, "ITEM_OUT_OF_STOCK": ReasonOutOfStock, "ORDER_ERROR": ReasonOrderError,
		"PUB_ACT_DISPUTE": ReasonDispute, "NOT_COMPLIANCE_TERMS": ReasonTerms, "MP_RETURNED": ReasonMerchant, "OTHER": ReasonOther,
	} {
		if got, err := ParseReason(text); err != nil || got != want {
			t.Errorf("%q is %q: %v", text, got, err)
		}
	}
	for _, r := range ReversalReasons {
		if got, err := ParseReason(string(r)); err != nil || got != r || !r.Valid() {
			t.Errorf("%q is %q: %v", r, got, err)
		}
	}
	for _, text := range []string{"{reason}", "frau", strings.Repeat("fraud ", 1<<16)} {
		if got, err := ParseReason(text); CodeOf(err) != Invalid || got != "" || len(err.Error()) > 300 {
			t.Errorf("%q is %q: %v", clip(text, 20), got, err)
		}
	}
}

func TestWordsOfReportsAreClosed(t *testing.T) {
	for _, s := range ReportStatuses {
		if !s.Valid() {
			t.Errorf("%q is not valid", s)
		}
	}
	if len(ReportStatuses) != 4 || len(Sources) != 5 || len(States) != 5 || len(ReversalReasons) != 11 {
		t.Error("a word is missing from its list")
	}
	if ReportStatus("").Valid() || ReportStatus("Paid").Valid() || Source("fax").Valid() || State("lost").Valid() || Reason("").Valid() {
		t.Error("a word is valid that is none")
	}
	if !ByPixel.Valid() || !Unmatched.Valid() {
		t.Error("a word is not valid that is one")
	}
}
