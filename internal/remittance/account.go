package remittance

import (
	"fmt"
	"regexp"
	"strings"
)

// sepaIBANLengths are the countries of SEPA by the code in their IBANs, with the
// characters an IBAN has there: the EPC's list of countries in the schemes' scope as
// of 2026, lengths by the IBAN registry of ISO 13616. The territories of France,
// Finland, Portugal, Spain and the United Kingdom have IBANs of those countries.
var sepaIBANLengths = map[string]int{
	"AD": 24, "AL": 28, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
	"ES": 24, "FI": 18, "FR": 27, "GB": 22, "GI": 23, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IS": 26, "IT": 27,
	"LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15,
	"PL": 28, "PT": 25, "RO": 24, "RS": 22, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "VA": 22,
}

var ibanShape = regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$`)

// The narrower pattern of pain.001.001.03 (ISO 9362:2009), and that of .09 (2014).
var bicShapes = map[Version]*regexp.Regexp{
	Pain00100103: regexp.MustCompile(`^[A-Z]{6}[A-Z2-9][A-NP-Z0-9](?:[A-Z0-9]{3})?$`),
	Pain00100109: regexp.MustCompile(`^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$`),
}

// compact removes the spaces that an IBAN or BIC is printed with, and makes its
// letters capitals. Only ASCII is touched: the capital of "ı" would be an I.
func compact(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '\u00a0':
			return -1
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// ibanFault says why a compact IBAN cannot be right, or "". Numbers are shown in part
// only, for errors are logged.
func ibanFault(iban string) string {
	if !ibanShape.MatchString(iban) {
		return fmt.Sprintf("the IBAN %s does not look like one: two letters, two digits, then 11 to 30 letters and digits", covered(iban))
	}
	if n := sepaIBANLengths[iban[:2]]; n > 0 && len(iban) != n {
		return fmt.Sprintf("the IBAN %s has %d characters; those of %s have %d", covered(iban), len(iban), iban[:2], n)
	}
	if mod97(iban[4:]+iban[:4]) != 1 {
		return fmt.Sprintf("the check digits of the IBAN %s are wrong; compare it with the partner's papers", covered(iban))
	}
	return ""
}

// mod97 is the remainder of ISO 7064: letters count as 10 to 35.
func mod97(s string) int {
	n := 0
	for _, c := range []byte(s) {
		if c >= 'A' {
			n = (n*100 + int(c-'A') + 10) % 97
		} else {
			n = (n*10 + int(c-'0')) % 97
		}
	}
	return n
}

// covered shows the first and the last four characters.
func covered(s string) string {
	if r := []rune(s); len(r) > 12 {
		return fmt.Sprintf("%q", string(r[:4])+"…"+string(r[len(r)-4:]))
	}
	return fmt.Sprintf("%q", s)
}

func bicFault(bic string, v Version) string {
	if bicShapes[v].MatchString(bic) {
		return ""
	}
	return fmt.Sprintf("%s is not a BIC: eight or eleven letters and digits, such as DEUTDEFF; leave it empty if you do not know it", shown(bic))
}
