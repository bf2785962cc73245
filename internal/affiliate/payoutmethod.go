package affiliate

import (
	"strings"
	"unicode/utf8"
)

// PayoutMethod is how a partner gets its money.
type PayoutMethod struct {
	Kind  PayoutKind `json:"kind"`
	Name  string     `json:"name,omitempty"` // of the account's holder
	IBAN  string     `json:"iban,omitempty"` // without spaces
	BIC   string     `json:"bic,omitempty"`  // may be missing within SEPA
	Email string     `json:"email,omitempty"`
}

// PayoutKind is a way to pay.
type PayoutKind string

// The kinds.
const (
	BySEPA   PayoutKind = "sepa"   // a credit transfer: Name and IBAN
	ByPayPal PayoutKind = "paypal" // Email
	ByHand   PayoutKind = "manual" // an operator sees to it
)

// Limits of what a SEPA credit transfer and an address have room for.
const (
	holderCharactersMax = 70
	emailBytesMax       = 254
)

func (m *PayoutMethod) normalized() *PayoutMethod {
	if m == nil {
		return nil
	}
	return &PayoutMethod{
		Kind:  PayoutKind(strings.ToLower(strings.TrimSpace(string(m.Kind)))),
		Name:  strings.TrimSpace(m.Name),
		IBAN:  strings.ToUpper(strings.Join(strings.Fields(m.IBAN), "")),
		BIC:   strings.ToUpper(strings.TrimSpace(m.BIC)),
		Email: strings.TrimSpace(m.Email),
	}
}

func (m *PayoutMethod) validate(fs *faults, field string) {
	if m == nil {
		return
	}
	switch m.Kind {
	case BySEPA:
		if m.Name == "" {
			fs.add(field+".name", "a SEPA transfer needs the name of the account's holder")
		}
		if m.IBAN == "" {
			fs.add(field+".iban", "a SEPA transfer needs the account's IBAN")
		}
	case ByPayPal:
		if m.Email == "" {
			fs.add(field+".email", "PayPal needs the address of the account")
		}
	case ByHand:
	default:
		fs.add(field+".kind", "%q is not one of %s, %s, %s", clip(string(m.Kind), 40), BySEPA, ByPayPal, ByHand)
	}
	if utf8.RuneCountInString(m.Name) > holderCharactersMax {
		fs.add(field+".name", "it is longer than %d characters, which is what a transfer has room for", holderCharactersMax)
	} else {
		textFault(fs, field+".name", m.Name, 4*holderCharactersMax)
	}
	if m.IBAN != "" && !ValidIBAN(m.IBAN) {
		fs.add(field+".iban", "%q is not an IBAN: its check digits do not fit; compare it with the partner's", clip(m.IBAN, 40))
	}
	if m.BIC != "" && !validBIC(m.BIC) {
		fs.add(field+".bic", "%q is not a BIC: it has 8 or 11 letters and digits, such as COBADEFFXXX", clip(m.BIC, 20))
	}
	if m.Email != "" && !plausibleEmail(m.Email) {
		fs.add(field+".email", "%q is not an e-mail address", clip(m.Email, 80))
	}
}

// ValidIBAN checks an IBAN in upper case without spaces by ISO 13616: two letters, two
// check digits from 02 to 98, 11 to 30 letters and digits; with the first four characters
// behind the others and letters as 10 to 35, the number is 1 modulo 97. It does not know how
// long the IBANs of each country are: a wrong one passes once in 97.
func ValidIBAN(s string) bool {
	if len(s) < 15 || len(s) > 34 || !isUpper(s[0]) || !isUpper(s[1]) || s[2:4] < "02" || s[2:4] > "98" || !isDigits(s[2:4]) {
		return false
	}
	rest := 0
	for i := range len(s) {
		switch c := s[(i+4)%len(s)]; {
		case '0' <= c && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case isUpper(c):
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

// validBIC checks the form of ISO 9362: four letters or digits for the institution, two
// letters for the country, two letters or digits for the place, and three for a branch or
// none.
func validBIC(s string) bool {
	if len(s) != 8 && len(s) != 11 {
		return false
	}
	for i := range len(s) {
		if digit := '0' <= s[i] && s[i] <= '9'; !isUpper(s[i]) && (!digit || i == 4 || i == 5) {
			return false
		}
	}
	return true
}

// plausibleEmail refuses what is certainly no address; only a message to it proves one.
func plausibleEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && len(s) <= emailBytesMax && local != "" && !strings.Contains(domain, "@") &&
		strings.Contains(strings.Trim(domain, "."), ".") && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`"<>(),;:`, r) }) < 0
}
