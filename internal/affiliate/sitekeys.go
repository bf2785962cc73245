package affiliate

import "slices"

// SiteKeys are the numbers of the keys that sign a site's clicks from elsewhere. A key is made
// of its number, so that a new one costs a change of the site alone, and is good at once.
type SiteKeys struct {
	// Current is the newest key. Numbers only go up.
	Current int `json:"current"`
	// Old are keys before it that are still accepted, in ascending order: until every sender
	// has the new one, no click is lost.
	Old []int `json:"old,omitempty"`
}

// Limits of a site's keys.
const (
	siteKeyMax   = 1_000_000
	oldKeysMax   = 4
	firstSiteKey = 1
)

// IngestKeys are the site's keys: the first alone, when nothing else was said.
func (s *Site) IngestKeys() SiteKeys {
	if s.Keys == nil {
		return SiteKeys{Current: firstSiteKey}
	}
	return *s.Keys
}

// Accepts says whether clicks signed with the key are taken in.
func (k SiteKeys) Accepts(number int) bool {
	return number == k.Current || slices.Contains(k.Old, number)
}

// All lists the keys that are accepted, the current one first.
func (k SiteKeys) All() []int {
	all := append([]int{k.Current}, k.Old...)
	slices.Reverse(all[1:])
	return all
}

// Rotate makes a new key; the one before stays accepted until it is revoked.
func (k SiteKeys) Rotate() (SiteKeys, error) {
	if len(k.Old) >= oldKeysMax {
		return k, Errorf(Conflict, "%d keys before the current one are still accepted, which is as many as there may be; revoke one that no sender has any more", len(k.Old))
	}
	return SiteKeys{Current: k.Current + 1, Old: append(slices.Clone(k.Old), k.Current)}, nil
}

// Revoke ends a key before the current one.
func (k SiteKeys) Revoke(number int) (SiteKeys, error) {
	if number == k.Current {
		return k, Errorf(Conflict, "key %d is the current one; rotate first, and revoke it when every sender has the new one", number)
	}
	at := slices.Index(k.Old, number)
	if at < 0 {
		return k, Errorf(NotFound, "there is no key %d, or it is revoked already", number)
	}
	return SiteKeys{Current: k.Current, Old: slices.Delete(slices.Clone(k.Old), at, at+1)}, nil
}

// After says whether the keys may follow others: numbers go up, and what was revoked stays so.
func (k SiteKeys) After(before SiteKeys) error {
	if k.Current < before.Current {
		return &Error{Code: Invalid, Message: "the site's keys are not valid", Faults: []Fault{{"ingest_keys.current", "it cannot go down; leave ingest_keys out to keep the keys as they are"}}}
	}
	for i, n := range k.Old {
		if n <= before.Current && !before.Accepts(n) {
			return &Error{Code: Invalid, Message: "the site's keys are not valid", Faults: []Fault{{index("ingest_keys.old", i), "this key was revoked, which is for ever"}}}
		}
	}
	return nil
}

func (k *SiteKeys) validate(fs *faults) {
	if k.Current < firstSiteKey || k.Current > siteKeyMax {
		fs.add("ingest_keys.current", "%d is not between %d and %d", k.Current, firstSiteKey, siteKeyMax)
	}
	if len(k.Old) > oldKeysMax {
		fs.add("ingest_keys.old", "there are more than %d", oldKeysMax)
	}
	for i, n := range k.Old {
		if n < firstSiteKey || n >= k.Current || i > 0 && n <= k.Old[i-1] {
			fs.add(index("ingest_keys.old", i), "keys before the current one are listed, each once, in ascending order")
		}
	}
}
