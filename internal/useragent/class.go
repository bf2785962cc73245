package useragent

import "github.com/sluicehq/sluice/internal/affiliate"

// Device is the class of a visitor's device, as links and reports know it.
type Device = affiliate.Device

// The classes that Class tells apart.
const (
	Phone   = affiliate.Phone
	Tablet  = affiliate.Tablet
	Desktop = affiliate.Desktop
	TV      = affiliate.TV
	Bot     = affiliate.Bot
	Other   = affiliate.OtherDevice
)

// ParseDevice reads the name of a class, as Device.String writes it.
func ParseDevice(name string) (Device, bool) { return affiliate.ParseDevice(name) }

// bytesMax is how much of a user agent is looked at. The longest honest ones,
// of browsers inside apps, have about 500 bytes.
const bytesMax = 1024

// Class tells the device class from a User-Agent header and, when the browser
// sent it, the Sec-CH-UA-Mobile header ("?1", "?0" or ""). It allocates nothing
// and is a pure function of its two arguments, written so that another language
// can repeat it byte for byte; testdata/devices.json holds the cases that every
// copy must answer alike.
//
// The rules, in order:
//
//  1. Only the first 1024 bytes count. Letters are compared without regard to
//     case, ASCII only; every other byte is compared as it is.
//  2. Walk the user agent from left to right. At each byte, try the tokens of
//     the table (tokens.go) from top to bottom. A token may ask that the byte
//     before it is not a letter (start), that the byte after it is not a letter
//     (end), or that it opens the user agent (first). The first token that fits
//     is taken: its flag is noted, and the walk goes on behind it. Tokens
//     without a flag are innocent words; being taken is all they do, so
//     that "Cubot", a make of phones, is not read as "bot".
//  3. The class is the first line that holds:
//     a. flag bot or flag tool: bot
//     b. flag tv: tv
//     c. flag tablet: tablet
//     d. flag phone, or Sec-CH-UA-Mobile is "?1": phone
//     e. flag android: tablet, because Android phones say "Mobile"
//     f. flag desktop: desktop
//     g. otherwise: other. So is an empty user agent with no hint.
//
// What no rule can see: an iPad asks for desktop pages by default and then calls
// itself a Macintosh, so it is a desktop. Consoles are tv: they play on one.
func Class(ua, mobileHint string) Device {
	device, _ := Classify(ua, mobileHint)
	return device
}

// Classify is Class, and says as well whether the only programs that the user
// agent names are tools and libraries, such as curl. Those are bots by class, but
// do not announce themselves as visiting on their own account.
func Classify(ua, mobileHint string) (class Device, isTool bool) {
	return classOf(scan(ua), mobileHint)
}

// classOf is rule 3.
func classOf(flags flag, mobileHint string) (class Device, isTool bool) {
	switch {
	case flags&(bot|tool) != 0:
		return Bot, flags&bot == 0
	case flags&tv != 0:
		return TV, false
	case flags&tablet != 0:
		return Tablet, false
	case flags&phone != 0, mobileHint == "?1":
		return Phone, false
	case flags&android != 0:
		return Tablet, false
	case flags&desktop != 0:
		return Desktop, false
	}
	return Other, false
}

// IsBot reports whether a user agent names a program that no person steers: a
// crawler, a link preview, a monitor, a command-line tool or a library. It is
// rule a of Class.
func IsBot(ua string) bool { return scan(ua)&(bot|tool) != 0 }

// scan walks a user agent once and gathers the flags of the tokens in it.
func scan(ua string) (flags flag) {
	if len(ua) > bytesMax {
		ua = ua[:bytesMax]
	}
	list, c := &wordStart, byte(0)
	for i := 0; i+1 < len(ua); {
		c = fold[ua[i]]
		if group := list.groupOf[c&127][fold[ua[i+1]]&127]; group != 0 {
			if t := list.take(ua, i, group); t != nil {
				flags |= t.flag
				i += len(t.text)
				list = after(fold[ua[i-1]])
				continue
			}
		}
		list = after(c)
		i++
	}
	return flags
}

// after returns the tokens that fit behind a byte.
func after(c byte) *tokenList {
	if letter(c) {
		return &insideWord
	}
	return &wordStart
}

// fits compares all but the start condition and the first two bytes, which
// chose the group that the token was found in.
func (t *token) fits(ua string, at int) bool {
	if len(ua)-at < len(t.text) || (t.where&first != 0 && at != 0) {
		return false
	}
	for i := 2; i < len(t.text); i++ {
		if fold[ua[at+i]] != t.text[i] {
			return false
		}
	}
	end := at + len(t.text)
	return t.where&endOfWord == 0 || end == len(ua) || !letter(fold[ua[end]])
}

func letter(c byte) bool { return c-'a' < 26 }
