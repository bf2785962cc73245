package affiliate

import (
	"cmp"
	_ "embed" // the table of phrases
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
)

// The words of a click record, version 2. Visitors' browsers say nearly all the
// same, so a record names what they say instead of repeating it: a text is a run of
// bytes below, each record by itself. docs/formats/click.md is the exact rule.
//
//	0x00        the end of the text
//	0x01 b      the byte b, for bytes that mean something else here
//	0x02        the record's own click id, 24 characters
//	0x02+n …    a number in n bytes, 1 to 7, little-endian: its decimal digits
//	0x0a-0x0f b phrase 144 + 256·(code - 0x0a) + b of the text's table
//	0x10-0x1f   phrases 0 to 15
//	0x20-0x7f   the character itself
//	0x80-0xff   phrases 16 to 143
const (
	codeEnd      = 0x00
	codeByte     = 0x01
	codeID       = 0x02
	codeNumber   = 0x02 // + the number's bytes
	numberBytes  = 7
	codePage     = 0x0a
	codeFew      = 0x10
	codePlain    = 0x20
	codeMany     = 0x80
	phrasesShort = 144 // have a code of one byte
	phrasesMax   = phrasesShort + 256*(codeFew-codePage)
)

//go:embed phrases-v2.json
var phrasesV2 []byte

// The three tables: of user agents, of Accept-Language, and of everything else,
// which is mostly URLs and parts of them.
var agentPhrases, languagePhrases, linkPhrases = mustPhrases(phrasesV2)

// phrases is a table prepared for both ways.
type phrases struct {
	texts  []string
	starts [][startBytes]byte // the first bytes of each, padded: most need no more
	nodes  []phraseNode       // a tree of the phrases; nodes[0] is its root
	// edges of all nodes lie in one array: the one for byte c of a node at its base
	// + c. So a step is one look, however many children a node has.
	edges []phraseEdge
	// heads are the phrases' first three bytes, by their hash. Most places where a
	// phrase may begin are dismissed by one look, and where one does the first steps
	// are saved.
	heads [1 << headBits]phraseHead
}

// phraseHead is where the tree goes on behind three bytes.
type phraseHead struct {
	bytes uint32 // the three, little-endian; 0 for none
	node  uint16
	label uint8 // bytes of the node's label that are among the three
}

const (
	phraseMin = 3 // bytes of the shortest phrase
	headBits  = 11
)

func headAt(bytes uint32) uint32 { return bytes * 2654435761 >> (32 - headBits) }

// phraseEdge leads from one node to another.
type phraseEdge struct {
	from, to uint16 // to is 0 for none: nothing leads to the root
}

const (
	startBytes = 16
	tokenMax   = 128 // bytes that one code can stand for, at least
)

// phraseNode is a place in the tree: where phrases that start alike part, or end.
type phraseNode struct {
	label string // what must follow the byte that led here
	base  uint16 // of its edges
	code  [2]byte
	bytes uint8 // of the code; 0 where no phrase ends
	leaf  bool  // nothing follows
}

func mustPhrases(file []byte) (agent, language, link *phrases) {
	var t struct{ Agent, Language, Link []string }
	if err := json.Unmarshal(file, &t); err != nil {
		panic("BUG: the table of phrases: " + err.Error())
	}
	return newPhrases(t.Agent), newPhrases(t.Language), newPhrases(t.Link)
}

func newPhrases(texts []string) *phrases {
	t := &phrases{texts: texts, starts: make([][startBytes]byte, len(texts)), nodes: make([]phraseNode, 1)}
	if len(texts) > phrasesMax {
		panic(fmt.Sprintf("BUG: %d phrases", len(texts)))
	}
	order := make([]int, len(texts))
	for i, s := range texts {
		if len(s) < phraseMin || len(s) > tokenMax {
			panic(fmt.Sprintf("BUG: a phrase has %d bytes: %q", len(s), s))
		}
		copy(t.starts[i][:], s)
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(texts[a], texts[b]) })
	t.grow(0, order, 0)
	for _, s := range texts {
		t.addHead(s)
	}
	return t
}

// addHead notes where the first three bytes of a phrase lead. Of two that share a place
// the second is looked for from the root.
func (t *phrases) addHead(s string) {
	bytes := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16
	node, left := uint16(0), s[:phraseMin]
	for left != "" {
		node = t.edges[int(t.nodes[node].base)+int(left[0])].to
		label := t.nodes[node].label
		if left = left[1:]; len(left) <= len(label) {
			break
		}
		left = left[len(label):]
	}
	switch h := &t.heads[headAt(bytes)]; h.bytes {
	case 0, bytes:
		*h = phraseHead{bytes: bytes, node: node, label: uint8(len(left))}
	default:
		h.node = 0
		h.bytes = crowded
	}
}

// crowded marks a head of several threes.
const crowded = 1 << 24

// grow makes the children of a node from phrases in order that share their first
// bytes.
func (t *phrases) grow(node int, order []int, shared int) {
	if len(order) > 0 && len(t.texts[order[0]]) == shared {
		t.nodes[node].code, t.nodes[node].bytes = codeOf(order[0])
		order = order[1:]
	}
	var groups [][]int
	for len(order) > 0 {
		n := 1
		for n < len(order) && t.texts[order[n]][shared] == t.texts[order[0]][shared] {
			n++
		}
		groups, order = append(groups, order[:n]), order[n:]
	}
	if t.nodes[node].leaf = len(groups) == 0; t.nodes[node].leaf {
		return
	}
	base := t.room(groups, shared)
	t.nodes[node].base = uint16(base)
	child := len(t.nodes)
	t.nodes = append(t.nodes, make([]phraseNode, len(groups))...)
	for i, g := range groups {
		t.edges[base+int(t.texts[g[0]][shared])] = phraseEdge{from: uint16(node), to: uint16(child + i)}
	}
	for i, g := range groups {
		one, last := t.texts[g[0]], t.texts[g[len(g)-1]]
		end := shared + 1
		for end < len(one) && end < len(last) && one[end] == last[end] {
			end++
		}
		t.nodes[child+i].label = one[shared+1 : end]
		t.grow(child+i, g, end)
	}
}

// room finds the first base where the edges of all groups are free, and makes sure
// that there is an edge for every byte.
func (t *phrases) room(groups [][]int, shared int) (base int) {
	for ; ; base++ {
		if need := base + 256; need > len(t.edges) {
			t.edges = append(t.edges, make([]phraseEdge, need-len(t.edges))...)
		}
		if !slices.ContainsFunc(groups, func(g []int) bool { return t.edges[base+int(t.texts[g[0]][shared])].to != 0 }) {
			return base
		}
	}
}

// codeOf is the code of a phrase by its place in the table.
func codeOf(i int) (code [2]byte, bytes uint8) {
	switch more := i - phrasesShort; {
	case i < codePlain-codeFew:
		return [2]byte{byte(codeFew + i)}, 1
	case more < 0:
		return [2]byte{byte(codeMany + i - (codePlain - codeFew))}, 1
	default:
		return [2]byte{byte(codePage + more>>8), byte(more)}, 2
	}
}

// longest finds the longest phrase that s starts with: the node where it ends and its
// length, 0 when there is none.
func (t *phrases) longest(s string) (found *phraseNode, length int) {
	if len(s) < phraseMin {
		return nil, 0
	}
	bytes := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16
	h := &t.heads[headAt(bytes)]
	switch h.bytes {
	case bytes:
		return t.follow(s, h.node, phraseMin, int(h.label))
	case crowded:
		return t.follow(s, 0, 0, 0)
	}
	return nil, 0
}

// follow walks the tree: at bytes of s have been seen, label of them in the label of
// the node.
func (t *phrases) follow(s string, number uint16, at, label int) (found *phraseNode, length int) {
	for {
		node := &t.nodes[number]
		if rest := node.label[label:]; rest != "" {
			if len(s)-at < len(rest) || s[at:at+len(rest)] != rest {
				return found, length
			}
			at += len(rest)
		}
		if node.bytes > 0 {
			found, length = node, at
		}
		if node.leaf || at == len(s) {
			return found, length
		}
		edge := t.edges[int(node.base)+int(s[at])]
		if edge.to == 0 || edge.from != number {
			return found, length
		}
		number, at, label = edge.to, at+1, 0
	}
}

// kind is how the writer looks at a byte.
type kind uint8

const (
	odd    kind = iota // stands for something else in a text
	mark               // a phrase may begin here
	letter             // and seldom here, so nobody looks
	digit
	kindMask  = 3
	plainHost = 1 << 2 // and may stand in a canonical host
)

var kinds = func() (k [256]kind) {
	for c := codePlain; c < codeMany; c++ {
		k[c] = mark
		switch lower := c | 0x20; {
		case 'a' <= lower && lower <= 'z':
			k[c] = letter
		case '0' <= c && c <= '9':
			k[c] = digit
		}
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' {
			k[c] |= plainHost
		}
	}
	return k
}()

// appendText appends a text and its end. Phrases are looked for at its start,
// at marks and behind another phrase or number. id may be empty.
func (t *phrases) appendText(b []byte, s, id string) []byte {
	b = slices.Grow(b, 2*len(s)+2)
	out, n := b[len(b):cap(b)], 0
	probe := true
	for i := 0; i < len(s); {
		c := s[i]
		k := kinds[c] & kindMask
		if probe || k == mark {
			if p, length := t.longest(s[i:]); length > 0 {
				out[n], out[n+1] = p.code[0], p.code[1]
				n += int(p.bytes)
				i += length
				probe = true
				continue
			}
			probe = false
		}
		switch k {
		case letter:
			for c = s[i]; ; c = s[i] {
				out[n] = c
				n++
				if i++; i == len(s) || kinds[s[i]]&kindMask != letter {
					break
				}
			}
		case digit:
			var read int
			read, n, probe = appendDigits(out, n, s[i:], id)
			i += read
		case odd:
			out[n], out[n+1] = codeByte, c
			n += 2
			i++
		default:
			out[n] = c
			n++
			i++
		}
	}
	out[n] = codeEnd
	return b[:len(b)+n+1]
}

// appendDigits writes the digits that s starts with at out[n]: as the click id, as
// a number where that is shorter, or as they are. It returns how much it has read,
// where it has written to, and whether that was shorter.
func appendDigits(out []byte, n int, s, id string) (read, to int, short bool) {
	if id != "" && len(s) >= len(id) && s[:len(id)] == id {
		out[n] = codeID
		return len(id), n + 1, true
	}
	value := uint64(0)
	for read < len(s) && s[read]-'0' < 10 {
		value = value*10 + uint64(s[read]-'0')
		read++
	}
	size := (bits.Len64(value) + 7) / 8
	if s[0] == '0' || read <= size+1 || read > 16 { // of 17 digits some take 8 bytes
		return read, n + copy(out[n:], s[:read]), false
	}
	out[n] = byte(codeNumber + size)
	n++
	for ; size > 0; size-- {
		out[n] = byte(value)
		value >>= 8
		n++
	}
	return read, n, true
}

// PackLink appends a URL, or a part of one, as click records pack it, and the end that
// UnpackLink looks for.
func PackLink(b []byte, s string) []byte { return linkPhrases.appendText(b, s, "") }

// UnpackLink appends what PackLink has packed to url. It returns the codes, without their
// end, and what follows them; false when they make no sense.
func UnpackLink(url, packed []byte) (_, codes, rest []byte, ok bool) {
	r := textReader{packed: view(packed), out: url[:cap(url)], n: len(url)}
	r.read(linkPhrases)
	if r.bad {
		return url, nil, nil, false
	}
	return r.out[:r.n], packed[: r.at-1 : r.at-1], packed[r.at:], true
}

// AppendPackedID appends to packed codes what stands for the click's own id.
func AppendPackedID(codes []byte) []byte { return append(codes, codeID) }

// textReader unpacks texts into memory that it fills from the start.
type textReader struct {
	packed string
	at     int // in packed
	id     string
	out    []byte
	n      int // bytes of out that are filled
	bad    bool
}

// read unpacks the next text.
func (r *textReader) read(t *phrases) {
	b, at, n := r.packed, r.at, r.n
	for at < len(b) {
		if len(r.out)-n < tokenMax {
			r.out = append(r.out, make([]byte, len(r.out)+tokenMax)...)
		}
		out := r.out[n : n+tokenMax : n+tokenMax]
		c := b[at]
		if c-codePlain < codeMany-codePlain {
			if len(b)-at < 8 {
				out[0] = c
				at, n = at+1, n+1
				continue
			}
			k := copyPlain(out, b[at:at+8])
			at, n = at+k, n+k
			continue
		}
		at++
		number := 0
		switch {
		case c >= codeMany:
			number = int(c) - codeMany + codePlain - codeFew
		case c >= codeFew:
			number = int(c) - codeFew
		case c == codeEnd:
			r.at, r.n = at, n
			return
		case c == codeID:
			if r.bad = r.id == ""; r.bad {
				return
			}
			n += copy(out, r.id)
			continue
		case c > codeNumber && c <= codeNumber+numberBytes:
			size := int(c) - codeNumber
			if r.bad = size > len(b)-at; r.bad {
				return
			}
			value := uint64(0)
			for i := size - 1; i >= 0; i-- {
				value = value<<8 | uint64(b[at+i])
			}
			n += putDecimal(out, value)
			at += size
			continue
		default:
			if r.bad = at == len(b); r.bad {
				return
			}
			if c == codeByte {
				out[0] = b[at]
				at, n = at+1, n+1
				continue
			}
			number = phrasesShort + (int(c)-codePage)<<8 + int(b[at])
			at++
		}
		if r.bad = number >= len(t.texts); r.bad {
			return
		}
		*(*[startBytes]byte)(out) = t.starts[number]
		s := t.texts[number]
		if len(s) > startBytes {
			copy(out, s)
		}
		n += len(s)
	}
	r.bad = true
}

// putDecimal writes a number's digits and returns how many they are.
func putDecimal(out []byte, value uint64) (n int) {
	n = 1
	for limit := uint64(10); value >= limit; limit *= 10 { // value has 7 bytes
		n++
	}
	i := n
	for ; value >= 100; value /= 100 {
		i -= 2
		*(*[2]byte)(out[i:]) = decimalPairs[value%100]
	}
	if value < 10 {
		out[0] = byte('0' + value)
	} else {
		*(*[2]byte)(out) = decimalPairs[value]
	}
	return n
}

// decimalPairs are the numbers below 100 as two digits.
var decimalPairs = func() (p [100][2]byte) {
	for i := range p {
		p[i] = [2]byte{byte('0' + i/10), byte('0' + i%10)}
	}
	return p
}()

// isPlain says that every byte of s stands for itself in a text.
func isPlain(s string) bool {
	odd := byte(0)
	for i := 0; i < len(s); i++ {
		odd |= (s[i] - codePlain) | s[i] // what is below wraps
	}
	return odd < codeMany
}

// copyPlain copies the eight bytes of s and returns how many of them, from the first,
// stand for themselves.
func copyPlain(out []byte, s string) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	x := binary.LittleEndian.Uint64([]byte(s))
	binary.LittleEndian.PutUint64(out, x)
	// The lowest byte with its high bit set, or that is below codePlain and borrows.
	other := (x | (x-low*codePlain)&^x) & high
	return bits.TrailingZeros64(other) / 8
}
