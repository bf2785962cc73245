package analytics

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
)

// TestRowsAreToldApart changes one field after the other.
func TestRowsAreToldApart(t *testing.T) {
	var r Row
	plain := r.AppendTo(nil)
	var change func(v reflect.Value, path string)
	change = func(v reflect.Value, path string) {
		if v.Type() == reflect.TypeFor[netip.Addr]() {
			v.Set(reflect.ValueOf(netip.MustParseAddr("1.2.3.4")))
		} else if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				change(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
			return
		} else if v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.String {
			for i := range v.Len() {
				change(v.Index(i), path+"[]")
			}
			return
		} else {
			switch v.Kind() {
			case reflect.String:
				v.SetString("x")
			case reflect.Bool:
				v.SetBool(true)
			case reflect.Array:
				v.Index(0).SetUint('1')
			case reflect.Int, reflect.Int64:
				v.SetInt(1)
			default:
				v.SetUint(1)
			}
		}
		if bytes.Equal(r.AppendTo(nil), plain) {
			t.Errorf("rows that differ in %s are written alike", path)
		}
		v.SetZero()
	}
	change(reflect.ValueOf(&r).Elem(), "Row")
}
