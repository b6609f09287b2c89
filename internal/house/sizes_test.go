package house

import (
	"go/ast"
	"testing"
)

const (
	mostFile     = 300  // lines of a file that is no test
	mostFunction = 50   // lines of a function, from "func" to its last brace
	mostRoot     = 2100 // lines of the root package, without tests
)

// longFiles and longFunctions may be longer, for the reason given.
var (
	longFiles = map[string]string{
		"internal/mutants/list.go": "a table",
	}
	longFunctions = map[string]string{
		"cmd/holdfast/run.go: newRunCommand": "most of it is the help text",
	}
)

// TestSizes: files and functions can be read in one sitting, and the root package in an hour.
func TestSizes(t *testing.T) {
	all, files := sources(t)
	root := 0
	long := make(map[string]bool)
	for _, s := range all {
		if s.dir == "." {
			root += s.lines
		}
		if s.lines > mostFile {
			long[s.file] = true
			if longFiles[s.file] == "" {
				t.Errorf("%s has %d lines, more than %d: split it, or name it in longFiles with the reason", s.file, s.lines, mostFile)
			}
		}
		for _, d := range s.syntax.Decls {
			f, is := d.(*ast.FuncDecl)
			if !is {
				continue
			}
			name := s.file + ": " + f.Name.Name
			if n := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; n > mostFunction {
				long[name] = true
				if longFunctions[name] == "" {
					t.Errorf("%s has %d lines, more than %d", name, n, mostFunction)
				}
			}
		}
	}
	for _, exceptions := range []map[string]string{longFiles, longFunctions} {
		for name := range exceptions {
			if !long[name] {
				t.Errorf("%s is an exception and need not be one any more: remove it from sizes_test.go", name)
			}
		}
	}
	if root > mostRoot {
		t.Errorf("the root package has %d lines, more than %d", root, mostRoot)
	}
}
