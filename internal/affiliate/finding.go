package affiliate

// Finding is something wrong with an installation's surroundings, for those who run it.
type Finding struct {
	Problem string // where and what, a sentence without a full stop
	Mend    string // what to do
	// Harmful says that going on would lose or damage something. Everything else is
	// reported while Sluice goes on.
	Harmful bool
}
