package house

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// libraryImports are the modules that the library, which is the root package and what is below it,
// may import. What only tests need, such as miniredis, must not come along with it.
var libraryImports = []string{"github.com/redis/go-redis/v9", "golang.org/x/sync", "github.com/google/uuid"}

// TestLibraryImports: the library imports few modules, and not the package testing.
func TestLibraryImports(t *testing.T) {
	all, _ := sources(t)
	for _, s := range all {
		if floor(s.dir) > floor(".") {
			continue
		}
		for _, imported := range s.syntax.Imports {
			name, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			of := func(module string) bool { return name == module || strings.HasPrefix(name, module+"/") }
			host, _, _ := strings.Cut(name, "/")
			switch {
			case of("testing"), strings.Contains(host, ".") && !of(module) && !slices.ContainsFunc(libraryImports, of):
				t.Errorf("%s imports %s, which the library must not", s.file, name)
			}
		}
	}
}
