package api

import (
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Precondition is the optional If-Match header of a change.
type Precondition struct {
	IfMatch string `header:"If-Match" doc:"The ETag that was read. Somebody else's change since then answers 412. Without it the change wins." example:"\"3\""`
}

// version returns the version that the change is made to, 0 for any. An ETag
// that is not one of ours matches nothing.
func (p *Precondition) version() (int64, error) {
	tag := strings.TrimSpace(p.IfMatch)
	if tag == "" || tag == "*" {
		return 0, nil
	}
	// A proxy that compresses answers weakens their tags.
	tag = strings.TrimPrefix(tag, "W/")
	quoted := len(tag) > 2 && tag[0] == '"' && tag[len(tag)-1] == '"'
	if quoted {
		if v, err := strconv.ParseInt(tag[1:len(tag)-1], 10, 64); err == nil && v > 0 {
			return v, nil
		}
	}
	return 0, affiliate.Errorf(affiliate.Stale, "the If-Match header is not an ETag of this thing; read it again and send the one of the answer")
}

// etag of a version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }
