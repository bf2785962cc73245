package affiliate

import "strings"

// Currency is an ISO 4217 code in upper case; "" is no currency.
type Currency string

// currencyDigits are the digits behind the point of the currencies that money can be
// owed in, by ISO 4217 list one (2026-01); funds codes, units of account, metals and
// test codes are left out.
var currencyDigits = func() map[Currency]int {
	digits := map[Currency]int{}
	for n, codes := range map[int]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
		2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK " +
			"DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW " +
			"KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN " +
			"PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD " +
			"TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
		3: "BHD IQD JOD KWD LYD OMR TND",
	} {
		for _, code := range strings.Fields(codes) {
			digits[Currency(code)] = n
		}
	}
	return digits
}()

// ParseCurrency reads a code in any case.
func ParseCurrency(s string) (Currency, error) {
	s = strings.TrimSpace(s)
	c := Currency(strings.ToUpper(s))
	if len(s) != 3 || !c.Known() { // the length: "uſd" is upper-cased to USD
		return "", Errorf(Invalid, "%q is not a currency; use its ISO 4217 code, such as EUR", clip(s, 20))
	}
	return c, nil
}

// Known says that the currency exists.
func (c Currency) Known() bool {
	_, ok := currencyDigits[c]
	return ok
}

// Digits is how many digits stand behind the point: 2 for EUR, 0 for JPY, 3 for KWD.
func (c Currency) Digits() int { return currencyDigits[c] }
