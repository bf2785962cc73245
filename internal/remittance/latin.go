package remittance

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// sepaMarks are SEPA's characters besides the letters A-Z and a-z and the digits.
const sepaMarks = "/-?:().,'+ "

// umlauts are spelled out before accents are dropped.
var umlauts = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue")

// spellings are letters that have no accent to drop, and marks that have a near
// relative among SEPA's characters.
var spellings = strings.NewReplacer(
	"ß", "ss", "ẞ", "SS", "æ", "ae", "Æ", "Ae", "œ", "oe", "Œ", "Oe", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L",
	"đ", "d", "Đ", "D", "ð", "d", "Ð", "D", "þ", "th", "Þ", "Th", "ħ", "h", "Ħ", "H", "ı", "i", "ŋ", "n", "Ŋ", "N", "ŧ", "t", "Ŧ", "T",
	"‘", "'", "’", "'", "‚", "'", "‛", "'", "`", "'", "´", "'", "ʼ", "'", "“", "'", "”", "'", "„", "'", `"`, "'",
	"‐", "-", "‑", "-", "‒", "-", "–", "-", "—", "-", "−", "-", "_", "-", "&", "+", "€", "EUR",
)

// latin writes a text with SEPA's characters: umlauts and ligatures spelled out,
// accents dropped, spaces and line breaks as one space each, everything else as a
// full stop. The result may be longer or shorter than the text.
func latin(s string) string {
	s = norm.NFKD.String(spellings.Replace(umlauts.Replace(norm.NFC.String(s))))
	// What compatibility took apart may hold such letters again.
	s = spellings.Replace(s)
	s = strings.Map(func(r rune) rune {
		switch {
		case isLatin(r) || strings.ContainsRune(sepaMarks, r):
			return r
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.In(r, unicode.M, unicode.Cf): // accents, and what nobody sees
			return -1
		}
		return '.'
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// holderName writes a name as latin does, and says why it cannot be used, or "".
func holderName(name string) (spelled, fault string) {
	spelled = latin(name)
	switch {
	case spelled == "":
		return "", "the name is empty; write the account's holder"
	case strings.IndexFunc(spelled, isLatin) < 0:
		return "", "the name " + shown(name) + " has no Latin letter, and banks take no other; write it as the bank knows it"
	case len(spelled) > NameCharsMax:
		return "", tooLong("the name", spelled, NameCharsMax)
	}
	return spelled, ""
}
