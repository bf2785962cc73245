package routing

import "github.com/sluicehq/sluice/internal/affiliate"

// resolution is one visit on its way through one record.
type resolution struct {
	table    *Table
	site     *affiliate.Site
	visit    *affiliate.Visit
	decision *affiliate.Decision

	flags    uint64
	program  *program // nil for none
	partner  string   // as the path names it, "" for not
	page     string   // where ?url= wants to go, when it may
	names    reader   // parameters that may be handed on
	fallback []byte   // template
	chosen   target
	mixed    bool // the URL holds more than the link's text and the click id
}

// target is a destination of a record.
type target struct {
	id        []byte
	templates reader
	down      bool
}

// follow decides in the fixed order: status and schedule, the verdict's action,
// rules, variant, destination health, partner and deep link, URL.
func (r *resolution) follow(record []byte) {
	_, _, rest := recordName(record)
	d := r.decision
	r.header(&rest)
	if closed := r.closed(&rest); closed != 0 {
		d.Why |= closed
		r.readOptional(&rest)
		r.fallBack()
		return
	}
	r.readOptional(&rest)
	if r.refused() {
		d.Outcome, d.Code = affiliate.Blocked, 403
		d.Why |= affiliate.WhyBlocked
		return
	}
	r.creditPartner()
	if !r.choose(&rest) {
		return
	}
	d.Variant = d.Keep(r.chosen.id)
	d.Outcome = affiliate.Redirected
	d.Code = affiliate.RedirectCodes[r.flags>>codeShift&3]
	r.chooseDeepLink()
	r.expandTarget()
}

// header reads what every record begins with.
func (r *resolution) header(rest *reader) {
	d := r.decision
	r.flags = rest.uvarint()
	d.Link = int64(rest.uvarint())
	if r.flags&hasProgram != 0 {
		if p := &r.table.world.programs[rest.uvarint()]; p.ID != "" {
			r.program, d.Program = p, p.ID
		}
	}
	if r.flags&hasPartner != 0 {
		r.creditDefault(d.Keep(rest.take()))
	}
	if r.flags&hasPage != 0 {
		d.Page = d.Keep(rest.take())
	}
}

// creditDefault credits the link's own partner, unless the program says that this
// one is not active any more.
func (r *resolution) creditDefault(code string) {
	if r.program != nil {
		if status, known := r.program.partner(code); known && !isActive(status) {
			r.decision.Why |= affiliate.WhyPartnerPaused
			return
		}
	}
	r.decision.Partner = code
	r.decision.Why |= affiliate.WhyPartnerDefault
}

func isActive(s affiliate.Status) bool { return s != affiliate.Paused && s != affiliate.Archived }

// closed says why the link leads nowhere now, or 0.
func (r *resolution) closed(rest *reader) (why affiliate.Why) {
	if r.flags&hasSchedule != 0 {
		if starts := rest.int64(); r.visit.Time < starts {
			why = affiliate.WhyNotStarted
		}
		if ends := rest.int64(); r.visit.Time >= ends {
			why = affiliate.WhyEnded
		}
	}
	switch {
	case r.flags&isArchived != 0:
		return affiliate.WhyArchived
	case r.flags&isPaused != 0:
		return affiliate.WhyPaused
	case why == 0 && r.program != nil && !isActive(r.program.Status):
		return affiliate.WhyProgramClosed
	}
	return why
}

func (r *resolution) readOptional(rest *reader) {
	if r.flags&passesNames != 0 {
		n := rest.uvarint()
		r.names = *rest
		for ; n > 0; n-- {
			rest.skip()
		}
		r.names.b = r.names.b[:len(r.names.b)-len(rest.b)]
	}
	if r.flags&hasFallback != 0 {
		r.fallback = rest.take()
	}
}

// refused says that the verdict wants no redirect at all.
func (r *resolution) refused() bool {
	switch r.visit.Action {
	case affiliate.Block:
		return true
	case affiliate.Decoy:
		r.decision.Why |= affiliate.WhyDecoy
		return r.flags&blocksBots != 0
	}
	return false
}

// fallBack sends the visit to the link's fallback, or the site's default.
func (r *resolution) fallBack() {
	if r.fallback == nil {
		answerDefault(r.site, r.decision)
		return
	}
	r.decision.Outcome, r.decision.Code = affiliate.FellBack, 302
	r.expand(r.fallback)
}

// creditPartner finds the partner of the visit: from the path, else the
// program's parameter. One who is not active leaves the link's own in place.
func (r *resolution) creditPartner() {
	if r.program == nil {
		return
	}
	code, named := r.partner, r.partner != ""
	if !named {
		if code, named = affiliate.QueryValue(r.visit.Query, r.program.PartnerParam); !named || code == "" {
			return
		}
		code = affiliate.LowerASCII(code)
	}
	d := r.decision
	status, known := r.program.partner(code)
	switch {
	case !known:
		d.Why |= affiliate.WhyPartnerUnknown
	case !isActive(status):
		d.Why |= affiliate.WhyPartnerPaused
	default:
		d.Partner = code
		d.Why = d.Why&^(affiliate.WhyPartnerDefault|affiliate.WhyPartnerPaused) | affiliate.WhyPartner
	}
}

// choose finds the destination: of the first rule whose conditions hold, else the
// link's own. It is false when the visit was sent to the fallback instead.
func (r *resolution) choose(rest *reader) bool {
	own := *rest
	skipDestinations(rest)
	if r.flags&hasRules != 0 {
		for n := rest.uvarint(); n > 0; n-- {
			rule := reader{rest.take()}
			id := rule.take()
			if r.allHold(&rule) {
				r.decision.Rule = r.decision.Keep(id)
				r.decision.Why |= affiliate.WhyRule
				return r.share(&rule, r.decision.Rule)
			}
		}
	}
	return r.share(&own, "")
}

func (r *resolution) allHold(rule *reader) bool {
	all := true
	for n := rule.uvarint(); n > 0; n-- {
		condition := rule.take()
		all = all && holds(condition, r.visit)
	}
	return all
}

func skipDestinations(rest *reader) {
	n := rest.uvarint()
	rest.uvarint()
	for ; n > 0; n-- {
		rest.skip()
	}
}

// share picks among destinations by the visitor's bucket. When the pick is down,
// it picks again among those that are up, so only its own visitors move.
func (r *resolution) share(list *reader, salt string) bool {
	n, total := list.uvarint(), int(list.uvarint())
	if n == 1 {
		_, r.chosen = readTarget(list.take())
	} else {
		r.decision.Why |= affiliate.WhyShared
		r.chosen = r.pick(*list, n, total, salt, "", false)
	}
	if !r.chosen.down {
		return true
	}
	return r.replaceDown(*list, n, salt)
}

// replaceDown finds another destination for a visitor whose own is down. With
// none up, the fallback answers; without a fallback the first pick stays, since a
// merchant's own error page is better than ours.
func (r *resolution) replaceDown(list reader, n uint64, salt string) bool {
	up := 0
	if n > 1 {
		for rest, i := list, n; i > 0; i-- {
			if weight, t := readTarget(rest.take()); !t.down {
				up += weight
			}
		}
	}
	if up > 0 {
		r.chosen = r.pick(list, n, up, salt, "~", true)
		r.decision.Why |= affiliate.WhyDestinationDown
		return true
	}
	r.decision.Why |= affiliate.WhyAllDown
	if r.fallback != nil {
		r.fallBack()
		return false
	}
	return true
}

// pick returns the destination in whose share of the total weight the visitor's
// bucket lies.
func (r *resolution) pick(list reader, n uint64, total int, salt, attempt string, onlyUp bool) (chosen target) {
	visitor := r.visit.Visitor
	if visitor == "" {
		visitor = r.visit.ClickID
	}
	at := affiliate.Share(affiliate.VisitorBucket(visitor, r.decision.Link, salt, attempt), total)
	for ; n > 0; n-- {
		weight, t := readTarget(list.take())
		if onlyUp && t.down {
			continue
		}
		if at < weight {
			return t
		}
		at -= weight
	}
	panic("BUG: the weights of a compiled link do not sum to their total")
}

func readTarget(b []byte) (weight int, t target) {
	r := reader{b}
	weight = int(r.uvarint())
	t.down = r.byte() == 1
	t.id = r.take()
	t.templates = r
	return weight, t
}

// deepLinkParam is the visit's parameter that chooses the merchant's page.
const deepLinkParam = "url"

// chooseDeepLink keeps the page that the visit asks for, if it may have it.

func (r *resolution) chooseDeepLink() {
	page, asked := affiliate.QueryValue(r.visit.Query, deepLinkParam)
	if !asked || page == "" {
		return
	}
	if r.flags&takesDeepLink == 0 || r.program == nil || !r.program.DeepLink.AllowsDeepLink(page) {
		r.decision.Why |= affiliate.WhyDeepLinkRefused
		return
	}
	r.decision.Why |= affiliate.WhyDeepLink
	r.page = page
}
