package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsNameWhatIsThere: the tests and examples that README and docs name exist, and so do the
// files and the headings to which they link.
func TestDocsNameWhatIsThere(t *testing.T) {
	const root = "../.."
	tests := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, f := range regexp.MustCompile(`(?m)^func ((?:Test|Example)\w*)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[f[1]] = true
		}
		return err
	})
	if err != nil || len(tests) == 0 {
		t.Fatal(len(tests), err)
	}
	docs, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(docs, root+"/README.md", root+"/CONTRIBUTING.md") {
		if filepath.Base(file) == "rules.md" {
			continue // it is made, and names patterns
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// A test that is defined in a block of code is the reader's.
		for _, name := range regexp.MustCompile(`\b(?:func )?(?:Test|Example)[A-Z_]\w*`).FindAllString(string(text), -1) {
			if !tests[name] && !strings.HasPrefix(name, "func ") {
				t.Errorf("%s names %s, which is not there", file, name)
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([^):]*)\)`).FindAllStringSubmatch(string(text), -1) {
			path, heading, _ := strings.Cut(link[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			linked, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s links to %s: %v", file, link[1], err)
			} else if heading != "" && !anchors(string(linked))[heading] {
				t.Errorf("%s links to %s, and there is no such heading", file, link[1])
			}
		}
	}
}

// anchors are what GitHub makes of the headings.
func anchors(text string) map[string]bool {
	all := make(map[string]bool)
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(h[1]), "")
		all[strings.ReplaceAll(plain, " ", "-")] = true
	}
	return all
}
