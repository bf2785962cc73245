package affiliate

import (
	"slices"
	"testing"
)

func TestSiteKeys(t *testing.T) {
	site := Site{ID: "blog"}
	site.Normalize()
	keys := site.IngestKeys()
	if !keys.Accepts(1) || keys.Accepts(0) || keys.Accepts(2) {
		t.Errorf("a new site has %+v, want key 1 alone", keys)
	}
	if _, err := keys.Revoke(1); CodeOf(err) != Conflict {
		t.Errorf("the only key is revoked: %v", err)
	}
	for range oldKeysMax {
		next, err := keys.Rotate()
		if err != nil || next.After(keys) != nil {
			t.Fatal(err, next.After(keys))
		}
		keys = next
	}
	if !slices.Equal(keys.All(), []int{5, 4, 3, 2, 1}) {
		t.Errorf("keys %v", keys.All())
	}
	if _, err := keys.Rotate(); CodeOf(err) != Conflict {
		t.Errorf("a sixth key: %v", err)
	}
	revoked, err := keys.Revoke(2)
	if err != nil || revoked.Accepts(2) || !revoked.Accepts(1) || !keys.Accepts(2) {
		t.Errorf("without key 2: %+v, %v; before %+v", revoked, err, keys)
	}
	if _, err := revoked.Revoke(2); CodeOf(err) != NotFound {
		t.Errorf("revoked twice: %v", err)
	}
	if err := keys.After(revoked); CodeOf(err) != Invalid {
		t.Errorf("a revoked key comes back: %v", err)
	}
	if err := (SiteKeys{Current: 4}).After(revoked); CodeOf(err) != Invalid {
		t.Errorf("numbers go down: %v", err)
	}
	for _, bad := range []SiteKeys{{}, {Current: -1}, {Current: 2, Old: []int{2}}, {Current: 3, Old: []int{2, 1}}, {Current: 3, Old: []int{1, 1}}, {Current: 3, Old: []int{0}},
		{Current: 9, Old: []int{1, 2, 3, 4, 5}}, {Current: siteKeyMax + 1}} {
		site.Keys = &bad
		if err := site.Validate(); CodeOf(err) != Invalid {
			t.Errorf("%+v is valid: %v", bad, err)
		}
	}
	site.Keys = &revoked
	if err := site.Validate(); err != nil {
		t.Error(err)
	}
}
