package affiliate

import (
	"slices"
	"strings"
)

// DefaultSubID is the value that names the click to the merchant.
const DefaultSubID = "{click_id}"

// EffectiveSubID returns the sub-ID that a destination of the link gets: the
// link's own, the program's, or the network's preset. An empty Param means none
// is sent as a query parameter.
func EffectiveSubID(l *Link, program *Program, destination string) SubID {
	var s SubID
	preset := presetOf(program, destination)
	if preset != nil && len(preset.Slots) > 0 {
		s.Param = preset.Slots[0]
	}
	if preset != nil && preset.PathSlot != "" {
		s.Param = preset.PathSlot
	}
	if program != nil {
		s = s.override(program.SubID)
	}
	s = s.override(l.SubID)
	if s.Off {
		return SubID{Off: true}
	}
	if s.Param != "" && s.Value == "" {
		s.Value = DefaultSubID
	}
	return s
}

func (s SubID) override(by *SubID) SubID {
	if by == nil {
		return s
	}
	s.Off = by.Off
	if by.Param != "" {
		s.Param = by.Param
	}
	if by.Value != "" {
		s.Value = by.Value
	}
	return s
}

// WithSubID returns the destination template with the sub-ID in its place:
// instead of an empty value, in the next free slot of the network when the
// preferred one holds a value of the operator's, or added where the network
// wants it. A destination that has the sub-ID's macros already, anywhere, and one
// without a free slot stay as they are. Nothing else of the URL is touched, because signed and
// order-sensitive links break when they are rebuilt.
func WithSubID(destination string, l *Link, program *Program) string {
	sub := EffectiveSubID(l, program, destination)
	if sub.Param == "" || strings.Contains(sub.Value, "{") && strings.Contains(destination, sub.Value) {
		return destination
	}
	preset := presetOf(program, destination)
	if preset != nil && preset.PathSlot == sub.Param {
		return withPathSlot(destination, preset.PathSlot, sub.Value)
	}
	slots := []string{sub.Param}
	var last []string
	if preset != nil {
		last = preset.Last
		if slices.Contains(preset.Slots, sub.Param) {
			for _, s := range preset.Slots {
				if !slices.Contains(slots, s) {
					slots = append(slots, s)
				}
			}
		}
	}
	for _, slot := range slots {
		at := queryParam(destination, slot)
		if at < 0 {
			return AddParam(destination, slot, sub.Value, last)
		}
		if end := at + len(slot) + 1; valueEnd(destination, at) <= end {
			return destination[:at] + slot + "=" + sub.Value + destination[valueEnd(destination, at):]
		}
	}
	return destination
}

// withPathSlot inserts "/pubref:VALUE" before the segment that holds the page,
// or at the end of the path.
func withPathSlot(destination, slot, value string) string {
	if strings.Contains(destination, "/"+slot) {
		return destination
	}
	at := strings.Index(destination, "/destination:")
	if at < 0 {
		at = len(destination)
		if i := strings.IndexAny(destination, "?#"); i >= 0 {
			at = i
		}
		at -= len(destination[:at]) - len(strings.TrimSuffix(destination[:at], "/"))
	}
	return destination[:at] + "/" + slot + value + destination[at:]
}

// queryParam returns the offset of the parameter's name in the URL's query, or -1.
func queryParam(u, name string) int {
	q := strings.IndexByte(u, '?')
	end := len(u)
	if f := strings.IndexByte(u, '#'); f >= 0 {
		end = f
	}
	if q < 0 || q > end {
		return -1
	}
	for at := q + 1; at < end; {
		next := end
		if i := strings.IndexByte(u[at:end], '&'); i >= 0 {
			next = at + i
		}
		if key, _, _ := strings.Cut(u[at:next], "="); key == name {
			return at
		}
		at = next + 1
	}
	return -1
}

// valueEnd returns where the parameter that starts at offset at ends.
func valueEnd(u string, at int) int {
	if i := strings.IndexAny(u[at:], "&#"); i >= 0 {
		return at + i
	}
	return len(u)
}

// AddParam adds name=value to the URL's query, before the fragment and before
// the parameters that must stay last. The value is taken as it is.
func AddParam(u, name, value string, last []string) string {
	at := len(u)
	if f := strings.IndexByte(u, '#'); f >= 0 {
		at = f
	}
	pair := name + "=" + value
	for _, l := range last {
		if i := queryParam(u, l); i >= 0 {
			return u[:i] + pair + "&" + u[i:]
		}
	}
	switch head := u[:at]; {
	case !strings.Contains(head, "?"):
		pair = "?" + pair
	case strings.HasSuffix(head, "?") || strings.HasSuffix(head, "&"):
	default:
		pair = "&" + pair
	}
	return u[:at] + pair + u[at:]
}

// WithDeepLink returns the destination template of a link whose visitors may
// choose the page, or "" when the chosen page itself is the destination. The
// page takes the value of the network's parameter, or is added as the last one.
func WithDeepLink(destination string, program *Program) string {
	param := DeepLinkParam(program, destination)
	if param == "" {
		if p := PresetFor(destination); p != nil && p.DeepLinkSlot != "" {
			return withDeepLinkSlot(destination, p.DeepLinkSlot)
		}
		return ""
	}
	if at := queryParam(destination, param); at >= 0 {
		return destination[:at] + param + "=" + deepLinkMacro + destination[valueEnd(destination, at):]
	}
	return AddParam(destination, param, deepLinkMacro, nil)
}

// withDeepLinkSlot puts the page into the last path segment, in place of a page
// that is there.
func withDeepLinkSlot(destination, slot string) string {
	head, tail := destination, ""
	if i := strings.IndexAny(destination, "?#"); i >= 0 {
		head, tail = destination[:i], destination[i:]
	}
	if i := strings.Index(head, "/"+slot); i >= 0 {
		head = head[:i]
	}
	return strings.TrimSuffix(head, "/") + "/" + slot + deepLinkMacro + tail
}

// DeepLinkParam is the parameter of a destination through which its network, or the
// program's own setting, chooses the merchant's page; "" for none. It is never
// handed on from a visit by QueryPass: that would be a deep link which no list of
// hosts has checked.
func DeepLinkParam(program *Program, destination string) string {
	if program != nil && program.DeepLink != nil && program.DeepLink.Param != "" {
		return program.DeepLink.Param
	}
	if p := PresetFor(destination); p != nil {
		return p.DeepLinkParam
	}
	return ""
}

// LastParams are the parameters that the network of a destination wants at the end.
func LastParams(program *Program, destination string) []string {
	if p := presetOf(program, destination); p != nil {
		return p.Last
	}
	return nil
}

// PageSubID is the sub-ID of a visit whose chosen page is itself the destination:
// that of the link's destination, unless it belongs into a path.
func PageSubID(l *Link, program *Program, destination string) SubID {
	sub := EffectiveSubID(l, program, destination)
	if strings.HasSuffix(sub.Param, ":") {
		return SubID{Off: true}
	}
	return sub
}

// deepLinkMacro stands where WithDeepLink wants the page. It cannot be written
// by a user: ParseTemplate does not know it.
const deepLinkMacro = "{\x00page}"

// CompileTemplate is ParseTemplate for a destination that WithDeepLink may have
// prepared.
func CompileTemplate(s string) ([]Part, error) {
	before, after, found := strings.Cut(s, deepLinkMacro)
	head, err := ParseTemplate(before)
	if err != nil || !found {
		return head, err
	}
	tail, err := ParseTemplate(after)
	return append(append(head, Part{Macro: MacroDeepLink}), tail...), err
}
