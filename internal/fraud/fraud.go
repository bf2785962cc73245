// Package fraud judges visits. Judge is a pure function of what one request shows,
// cheap enough for every request, and says why in reasons that are kept with the
// click, so that a later rule can judge it again.
//
// A verdict marks, it does not punish: visits are recorded whatever it is, and
// only a declared bot is answered differently, without a click id, because it
// will never buy anything and its fetches would be counted against us.
package fraud

import "github.com/sluicehq/sluice/internal/affiliate"

// Evidence is what one request shows of who sent it.
type Evidence struct {
	Agent   string // User-Agent
	Device  affiliate.Device
	Tool    bool // a command-line tool or library by its own words
	Signals affiliate.Signals
	Fetch   affiliate.Fetch
}

// Judge returns the verdict on a visit and what it rests on.
//
//   - Declared crawlers, link previews and monitors are bots.
//   - Tools, missing user agents, links loaded as an image, a frame or a script,
//     and "browsers" that lack what every browser sends are suspect: there are
//     honest reasons for each, so they count, but can be looked at apart.
func Judge(e *Evidence) (affiliate.Verdict, affiliate.Reasons) {
	var reasons affiliate.Reasons
	switch {
	case e.Tool:
		reasons |= affiliate.ReasonTool
	case e.Device == affiliate.Bot:
		reasons |= affiliate.ReasonDeclaredBot
	case e.Agent == "":
		reasons |= affiliate.ReasonNoAgent
	case e.Signals&affiliate.SignalOldHTTP != 0 || e.Signals&affiliate.SignalNoAccept != 0:
		reasons |= affiliate.ReasonNoBrowser
	}
	if embedded(e.Fetch.Dest()) {
		reasons |= affiliate.ReasonNotNavigation
	}
	switch {
	case reasons&affiliate.ReasonDeclaredBot != 0:
		return affiliate.VerdictBot, reasons
	case reasons != 0:
		return affiliate.VerdictSuspect, reasons
	}
	return affiliate.VerdictOK, 0
}

// embedded says that the link was loaded as part of a page instead of followed,
// which is how cookies are stuffed.
func embedded(dest string) bool {
	switch dest {
	case "iframe", "frame", "image", "script", "style", "object", "embed", "font", "audio", "video":
		return true
	}
	return false
}

// ActionFor returns what the redirect does about a verdict.
func ActionFor(v affiliate.Verdict) affiliate.Action {
	if v == affiliate.VerdictBot {
		return affiliate.Decoy
	}
	return affiliate.Pass
}
