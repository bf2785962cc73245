package distribution

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

// StepVersion is the version of a step's body. It grows when an older version of Sluice would
// understand one wrongly; new fields that may be ignored do not raise it, so that old
// and new versions run side by side.
const StepVersion = 1

// Key vouches for what nodes read: an engine in wrong hands can keep links back, but
// not lead visitors elsewhere. It is derived from the secret that all nodes know.
//
// A body is the HMAC-SHA-256, in hex, of the step's epoch, numbers and document, a space, and
// the document: {"version":1,"changes":[…]}.
type Key []byte

// body is the document of a step.
type body struct {
	Version int              `json:"version"`
	Changes []routing.Change `json:"changes"`
}

// Step makes a step of changes. TooLarge: they are more than StepBytesMax and go into a
// snapshot.
func (k Key) Step(epoch, from, to int64, changes []routing.Change) (Step, error) {
	doc, err := json.Marshal(body{StepVersion, changes})
	if err != nil {
		return Step{}, err
	}
	if len(doc) > StepBytesMax-sealBytes-1 {
		return Step{}, affiliate.Errorf(affiliate.TooLarge, "%d changes take %d bytes, more than a step may", len(changes), len(doc))
	}
	s := Step{From: from, To: to, Body: append(k.seal(stepText(epoch, from, to), doc), ' ')}
	s.Body = append(s.Body, doc...)
	return s, nil
}

// Changes opens a step. An error says that it is not of this installation's nodes, was damaged,
// or needs a newer version of Sluice.
func (k Key) Changes(epoch int64, s *Step) ([]routing.Change, error) {
	if len(s.Body) <= sealBytes {
		return nil, affiliate.Errorf(affiliate.Invalid, "the step to change %d is cut off", s.To)
	}
	doc := s.Body[sealBytes+1:]
	if !hmac.Equal(k.seal(stepText(epoch, s.From, s.To), doc), s.Body[:sealBytes]) {
		return nil, affiliate.Errorf(affiliate.Unsigned, "the step to change %d is not sealed with this node's secret; give all nodes the same cluster.secret", s.To)
	}
	var b body
	if err := json.Unmarshal(doc, &b); err != nil {
		return nil, affiliate.Errorf(affiliate.Invalid, "the step to change %d cannot be read: %v", s.To, err)
	}
	if b.Version > StepVersion {
		return nil, affiliate.Errorf(affiliate.Invalid, "the step to change %d has version %d, of a newer Sluice; this one knows %d: upgrade this node", s.To, b.Version, StepVersion)
	}
	return b.Changes, nil
}

// Seal vouches for a snapshot.
func (k Key) Seal(epoch int64, s *Snapshot) { s.Seal = string(k.seal(s.text(epoch), nil)) }

// Check says whether a snapshot's description is of this installation's nodes.
func (k Key) Check(epoch int64, s *Snapshot) error {
	if hmac.Equal(k.seal(s.text(epoch), nil), []byte(s.Seal)) {
		return nil
	}
	return affiliate.Errorf(affiliate.Unsigned, "the snapshot of change %d is not sealed with this node's secret; give all nodes the same cluster.secret", s.Seq)
}

const sealBytes = 2 * sha256.Size

func stepText(epoch, from, to int64) string {
	return fmt.Sprintf("step\n%d\n%d\n%d\n", epoch, from, to)
}

func (s *Snapshot) text(epoch int64) string {
	return fmt.Sprintf("snapshot\n%d\n%d\n%d\n%d\n%d\n%s\n", epoch, s.Seq, s.Format, s.Links, s.Bytes, s.SHA256)
}

func (k Key) seal(text string, doc []byte) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(text))
	h.Write(doc)
	return hex.AppendEncode(nil, h.Sum(nil))
}
