package geo

import (
	"io/fs"
	"reflect"
	"unsafe"
)

// readInPlace returns a file's bytes, which must not be written to. Those of an
// embedded file are the program's own read-only pages: embed offers only copies
// of them, which for our data would be 18 MB of heap, and as much again for the
// garbage collector to work in. So we look for the text inside the file that
// embed opens, and take a copy like everyone else where it is not to be found.
func readInPlace(files fs.FS, name string) ([]byte, error) {
	file, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if text := embeddedText(file); text != "" {
		return unsafe.Slice(unsafe.StringData(text), len(text)), nil
	}
	return fs.ReadFile(files, name)
}

// embeddedText is the data of an *embed.openFile{f *embed.file{data string}}; ""
// for anything else.
func embeddedText(file fs.File) string {
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	opened := reflect.Indirect(reflect.ValueOf(file))
	if opened.Kind() != reflect.Struct || opened.Type().PkgPath() != "embed" {
		return ""
	}
	inner := opened.FieldByName("f")
	if inner.Kind() != reflect.Pointer || inner.IsNil() || inner.Elem().Kind() != reflect.Struct {
		return ""
	}
	data := inner.Elem().FieldByName("data")
	if data.Kind() != reflect.String || int64(data.Len()) != info.Size() {
		return ""
	}
	return data.String()
}
