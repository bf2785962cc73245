package affiliate

import (
	"context"
	"time"
)

// Finding is something wrong with an installation's surroundings, for those who run it.
type Finding struct {
	Problem string // where and what, a sentence without a full stop
	Mend    string // what to do
	// Harmful says that going on would lose or damage something. Everything else is
	// reported while Sluice goes on.
	Harmful bool
}

// Examiner is an engine that can say what is wrong with its surroundings even though it
// works, such as a topic with too few partitions. It changes nothing. Now is this machine's
// time, for those that compare it with a server's. The error is that it could not look.
type Examiner interface {
	Examine(ctx context.Context, now time.Time) ([]Finding, error)
}
