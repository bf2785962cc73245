package postback

import (
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// statusWords are the words that networks and trackers have for our statuses. A word
// that means different things to different vendors is read as the lesser one: "sale"
// is an order that happened, not one that is approved.
var statusWords = vocabulary(map[affiliate.ReportStatus]string{
	affiliate.ReportPending:  "pending new lead sale order hold on_hold open waiting extended",
	affiliate.ReportApproved: "approved accepted confirmed locked validated",
	affiliate.ReportPaid:     "paid",
	affiliate.ReportReversed: "reversed rejected declined denied cancelled canceled refunded returned chargeback invalid fraud unqualified not_allowed",
})

// mapped are the parameters by which a URL chooses words for our statuses, as in
// sale=billed,approved: our own names and Keitaro's.
var mapped = func() map[string]affiliate.ReportStatus {
	m := map[string]affiliate.ReportStatus{}
	for name, status := range map[string]affiliate.ReportStatus{
		"pending": affiliate.ReportPending, "lead": affiliate.ReportPending,
		"approved": affiliate.ReportApproved, "sale": affiliate.ReportApproved,
		"paid":     affiliate.ReportPaid,
		"reversed": affiliate.ReportReversed, "rejected": affiliate.ReportReversed,
	} {
		m[name], m[name+"_status"] = status, status
	}
	return m
}()

// reasonWords are the reasons of reversals and impact.com's codes for them.
var reasonWords = vocabulary(map[affiliate.Reason]string{
	affiliate.ReasonRejected:    "rejected",
	affiliate.ReasonInfoInvalid: "customer_info_invalid cons_info_invalid",
	affiliate.ReasonError:       "consumer_error cons_error",
	affiliate.ReasonFraud:       "fraud cons_fraud",
	affiliate.ReasonReturned:    "item_returned",
	affiliate.ReasonOutOfStock:  "out_of_stock item_out_of_stock",
	affiliate.ReasonOrderError:  "order_error",
	affiliate.ReasonDispute:     "publisher_dispute pub_act_dispute",
	affiliate.ReasonTerms:       "terms not_compliance_terms",
	affiliate.ReasonMerchant:    "merchant_return mp_returned",
	affiliate.ReasonOther:       "other",
})

func vocabulary[meaning ~string](words map[meaning]string) map[string]meaning {
	m := map[string]meaning{}
	for means, list := range words {
		for _, word := range strings.Fields(list) {
			m[word] = means
		}
	}
	return m
}

// plainWord is a word as it is looked up: "On-Hold" and "on hold" are "on_hold". It is
// ok when it is one word: letters and digits of any script, spaces, - and _.
func plainWord(s string) (word string, ok bool) {
	word = strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(s)))
	if word == "" || len(word) > 64 {
		return word, false
	}
	return word, strings.IndexFunc(word, func(c rune) bool { return c < 0x80 && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') }) < 0
}

// addWords notes that words, separated by commas, stand for a status. Our own four
// words may be lowered to pending, never turned into each other: a URL that calls
// "reversed" approved is a mistake that costs money.
func (f *fields) addWords(name, list string, status affiliate.ReportStatus) *Refusal {
	if strings.TrimSpace(list) == "" {
		return nil
	}
	for _, text := range strings.Split(list, ",") {
		if isMacro(text) {
			return refuse(MacroUnresolved, name, "%q is a macro that was not filled in; write the words themselves", clip(text))
		}
		word, ok := plainWord(text)
		if !ok {
			return refuse(StatusMalformed, name, "%q is not a word for a status; %s takes words separated by commas, such as %s=billed,done", clip(text), name, name)
		}
		own := affiliate.ReportStatus(word)
		switch own {
		case affiliate.ReportPending, affiliate.ReportApproved, affiliate.ReportPaid, affiliate.ReportReversed:
			if own != status && status != affiliate.ReportPending {
				return refuse(StatusContradicted, name, "%s cannot mean %s", own, status)
			}
		}
		if other, taken := f.words[word]; taken && other != status {
			return refuse(StatusContradicted, name, "%q is said to be %s and %s; give it one meaning", clip(text), other, status)
		}
		if f.words == nil {
			f.words = map[string]affiliate.ReportStatus{}
		}
		f.words[word] = status
	}
	return nil
}

// status reads the status and, for a reversal, its reason.
func (f *fields) status(r *affiliate.Report, _ terms) *Refusal {
	r.Status, r.Original = affiliate.ReportPending, f.values["status"]
	known := true
	if r.Original != "" {
		word, ok := plainWord(r.Original)
		if !ok {
			return refuse(StatusMalformed, "status", "%q is not one word for a status, such as approved", clip(r.Original))
		}
		if r.Status, known = f.words[word]; !known {
			r.Status, known = statusWords[word]
		}
		if !known {
			r.Status = affiliate.ReportPending
			f.warn("status_unknown", "%q is not a status that is known and counts as pending; give it a meaning with, for example, approved=%s", clip(r.Original), clip(r.Original))
		}
	}
	text := f.values["reason"]
	if text == "" {
		return nil
	}
	if known && r.Status != affiliate.ReportReversed {
		return refuse(ReasonContradicted, "reason", "a reason belongs to a reversal, and this report says %s; send status=reversed, or leave out the reason", r.Status)
	}
	word, _ := plainWord(text)
	if r.Reason, known = reasonWords[word]; !known {
		r.Reason = affiliate.ReasonOther
		f.warn("reason_unknown", "%q is not a reason that is known and counts as other", clip(text))
	}
	return nil
}
