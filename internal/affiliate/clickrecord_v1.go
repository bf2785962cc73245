package affiliate

// Version 1 of the click record repeated every word. Journals may still hold such
// records; nothing writes them.

// decodeV1 reads version 1 behind its first byte. The click's strings are parts of
// r.text.
func (c *Click) decodeV1(r *recordReader) {
	encodeID(c.ID[:], r.take(15))
	encodeID(c.Visitor[:], r.take(10))
	c.Outcome, c.Verdict = Outcome(r.byte()), Verdict(r.byte())
	c.Code = int(r.uvarint())
	c.Why = Why(r.uvarint())
	c.Signals = Signals(r.uvarint())
	c.Reasons = Reasons(r.uvarint())
	c.Fetch = Fetch(r.uvarint())
	c.Link = int64(r.uvarint())
	if n := r.byte(); n != 0 {
		c.IP = r.address(uint64(n))
	}
	for _, s := range [...]*string{&c.Site, &c.Host, &c.Slug, &c.Program, &c.Partner, &c.Variant, &c.Rule, &c.Page, &c.URL,
		&c.Agent, &c.Referrer, &c.Language, &c.Country, &c.Query} {
		*s = r.take(r.uvarint())
	}
	used := r.uvarint()
	for i := range c.Subs {
		if used&(1<<i) != 0 {
			c.Subs[i] = r.take(r.uvarint())
		}
	}
}
