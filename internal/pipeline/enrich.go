package pipeline

import (
	"net/netip"
	"strconv"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/geo"
	"github.com/sluicehq/sluice/internal/useragent"
)

// Enricher finds out what a click's record does not say: country and network,
// browser and system, which bot it was. It is safe for concurrent use.
type Enricher struct {
	Places *geo.DB
	Agents *useragent.Parser
	// Addresses says how much of a visitor's address is stored.
	Addresses Addresses
}

// Addresses is how much of a visitor's address leaves the journal.
type Addresses string

// The choices.
const (
	Truncated Addresses = "truncated" // IPv4 to /24, IPv6 to /48
	Full      Addresses = "full"
	NoAddress Addresses = "none"
)

func (e *Enricher) enrich(row *analytics.Row) {
	place := e.Places.Locate(row.IP)
	if row.Country == "" {
		row.Country = place.Country
	}
	row.ASN, row.Network = place.ASN, place.Org
	if row.Network == "" && row.ASN != 0 {
		row.Network = "AS" + strconv.FormatUint(uint64(row.ASN), 10)
	}
	agent := e.Agents.Parse(row.Agent)
	row.Browser, row.BrowserVersion, row.OS = agent.Browser, agent.BrowserVersion, agent.OS
	row.Device, row.BotName, row.BotClass = agent.Device, agent.Bot, agent.BotClass
	if row.Signals&affiliate.SignalMobile != 0 {
		row.Device = agent.DeviceHinted
	}
	row.ReferrerHost = affiliate.URLHost(row.Referrer)
	if agent.Bot != "" && agent.BotClass != useragent.BotTool && row.Verdict <= affiliate.VerdictSuspect && row.Reasons&affiliate.ReasonTool == 0 {
		row.Verdict = affiliate.VerdictBot
		row.Reasons |= affiliate.ReasonKnownCrawler
	}
	row.IP = e.Addresses.shorten(row.IP)
}

// shorten keeps what may be kept of an address.
func (a Addresses) shorten(ip netip.Addr) netip.Addr {
	bits := 24
	switch {
	case a == Full || !ip.IsValid():
		return ip
	case a == NoAddress:
		return netip.Addr{}
	case !ip.Is4():
		bits = 48
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Addr{}
	}
	return prefix.Addr()
}
