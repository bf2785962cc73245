package duckdb

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// Row is what the tables keep.
type Row = analytics.Row

// clickColumns are the columns of the table clicks, in their order: what every
// click has for itself, what reports count, and the numbers of its values in the
// side tables. All are of a fixed width. Ids are kept as the numbers they spell:
// 26 bytes for a click and its visitor instead of 40.
func clickColumns(sides []*numbering) []column {
	columns := []column{
		number("time", mapping.TypeTimestampMS, func(r *Row) int64 { return int64(decode(r.ID[:12]) >> 12) }),
		number("id_middle", mapping.TypeUSmallInt, func(r *Row) uint16 { return uint16(decode(r.ID[:12]) & 0xfff) }),
		number("id_low", mapping.TypeUBigInt, func(r *Row) uint64 { return decode(r.ID[12:]) }),
		number("visitor_high", mapping.TypeUInteger, func(r *Row) uint32 { return uint32(decode(r.Visitor[:4])) }),
		number("visitor_low", mapping.TypeUBigInt, func(r *Row) uint64 { return decode(r.Visitor[4:]) }),
		number("link", mapping.TypeBigInt, func(r *Row) int64 { return r.Link }),
		flag("valid", (*Row).Valid),
		flag("is_unique", func(r *Row) bool { return r.Unique }),
		flag("is_bot", func(r *Row) bool { return r.Verdict == affiliate.VerdictBot }),
		flag("is_ahead", func(r *Row) bool { return r.Signals&(affiliate.SignalHead|affiliate.SignalPrefetch) != 0 }),
		number("ip", mapping.TypeUInteger, func(r *Row) uint32 { return ipv4(r.IP) }),
	}
	for _, s := range sides {
		columns = append(columns, s.reference())
	}
	return columns
}

// sides are the side tables. What changes together stands together: a link and
// where it leads, a page and who refers from it, a campaign and its sub-IDs.
var sides = []*side{
	{table: "routes", key: "route_id", columns: []column{
		text("site", func(r *Row) string { return r.Site }),
		text("host", func(r *Row) string { return r.Host }),
		text("slug", func(r *Row) string { return r.Slug }),
		text("program", func(r *Row) string { return r.Program }),
		text("variant", func(r *Row) string { return r.Variant }),
		text("rule", func(r *Row) string { return r.Rule }),
	}},
	{table: "targets", key: "target_id", columns: []column{
		text("url_head", func(r *Row) string { head, _, _ := target(r); return head }),
		flag("url_has_id", func(r *Row) bool { _, _, has := target(r); return has }),
		text("url_tail", func(r *Row) string { _, tail, _ := target(r); return tail }),
	}, sum: sumTarget},
	{table: "agents", key: "agent_id", columns: []column{
		text("agent", func(r *Row) string { return r.Agent }),
		text("browser", func(r *Row) string { return r.Browser }),
		text("browser_version", func(r *Row) string { return r.BrowserVersion }),
		text("os", func(r *Row) string { return r.OS }),
		number("device", mapping.TypeUTinyInt, func(r *Row) uint8 { return uint8(r.Device) }),
		text("bot_name", func(r *Row) string { return r.BotName }),
		text("bot_class", func(r *Row) string { return r.BotClass }),
	}},
	{table: "places", key: "place_id", columns: []column{
		text("country", func(r *Row) string { return r.Country }),
		number("asn", mapping.TypeUInteger, func(r *Row) uint32 { return r.ASN }),
		text("network", func(r *Row) string { return r.Network }),
	}},
	{table: "addresses", key: "address_id", columns: []column{
		text("address", otherAddress),
	}},
	{table: "origins", key: "origin_id", columns: []column{
		text("page", func(r *Row) string { return r.Page }),
		text("referrer", func(r *Row) string { return r.Referrer }),
		text("referrer_host", func(r *Row) string { return r.ReferrerHost }),
	}},
	{table: "campaigns", key: "campaign_id", columns: []column{
		text("partner", func(r *Row) string { return r.Partner }),
		text("query", func(r *Row) string { return r.Query }),
		sub(1), sub(2), sub(3), sub(4), sub(5), sub(6), sub(7), sub(8), sub(9), sub(10),
	}},
	{table: "requests", key: "request_id", columns: []column{
		number("outcome", mapping.TypeUTinyInt, func(r *Row) uint8 { return uint8(r.Outcome) }),
		number("code", mapping.TypeUSmallInt, func(r *Row) uint16 { return uint16(r.Code) }),
		number("why", mapping.TypeUInteger, func(r *Row) uint32 { return uint32(r.Why) }),
		text("language", func(r *Row) string { return r.Language }),
		number("signals", mapping.TypeUInteger, func(r *Row) uint32 { return uint32(r.Signals) }),
		number("fetch", mapping.TypeUSmallInt, func(r *Row) uint16 { return uint16(r.Fetch) }),
		number("verdict", mapping.TypeUTinyInt, func(r *Row) uint8 { return uint8(r.Verdict) }),
		number("reasons", mapping.TypeUInteger, func(r *Row) uint32 { return uint32(r.Reasons) }),
		flag("duplicate", func(r *Row) bool { return r.Duplicate }),
	}},
}

func sub(n int) column {
	return text(fmt.Sprintf("sub%d", n), func(r *Row) string { return r.Subs[n-1] })
}

// target cuts the click's own id out of the URL, where networks want to have it,
// so that the clicks of a link share what is left.
func target(r *Row) (head, tail string, hasID bool) {
	if r.ID.IsZero() {
		return r.URL, "", false
	}
	return strings.Cut(r.URL, string(r.ID[:]))
}

func sumTarget(h hash, r *Row) hash {
	head, tail, hasID := target(r)
	has := int64(0)
	if hasID {
		has = 1
	}
	return h.text(head).number(has).text(tail)
}

// ipv4 is the address as a number, 0 when it is none of IPv4. Such addresses
// have as many values as clicks; the others are mostly prefixes and texts.
func ipv4(ip netip.Addr) uint32 {
	if ip = ip.Unmap(); !ip.Is4() {
		return 0
	}
	a := ip.As4()
	return binary.BigEndian.Uint32(a[:])
}

// otherAddress is an address that ipv4 has no number for.
func otherAddress(r *Row) string {
	if !r.IP.IsValid() || ipv4(r.IP) != 0 {
		return ""
	}
	return r.IP.String()
}

// has says whether a dimension of reports is a column of the side.
func (s *side) has(d analytics.Dimension) bool {
	return slices.ContainsFunc(s.columns, func(c column) bool { return c.name == columnOf(d) })
}

// join adds the side to a FROM clause that begins with clicks.
func (s *side) join() string { return fmt.Sprintf(" JOIN %s USING (%s)", s.table, s.key) }
