package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const rulesHead = `# The rules, and where each is tested

Made by ` + "`make docs`" + ` from internal/mutants; don't edit it. Each line of a table is a mutant: its name says how the
rule above it is broken, then come the function that it changes, and the tests that must fail. To run one:

    go run ./internal/mutants "no margin"
`

// rules returns docs/rules.md, from the sources of the module in the current folder.
func rules() (string, error) {
	tests, err := testFiles()
	if err != nil {
		return "", err
	}
	rows, order := make(map[string]string), []string{}
	for _, m := range mutants {
		code, err := m.code()
		if err != nil {
			return "", err
		}
		noticed, err := m.noticedBy(tests)
		if err != nil {
			return "", err
		}
		rows[m.name] = fmt.Sprintf("| %s | %s | %s |\n", m.name, code, noticed)
		order = append(order, m.name)
	}
	return document(rows, order, tests)
}

// document returns the rows by topic, those of no topic in order, and those of failures.
func document(rows map[string]string, order []string, tests []tested) (string, error) {
	var out strings.Builder
	out.WriteString(rulesHead)
	table := func(rule string, names []string) error {
		fmt.Fprintf(&out, "\n## %s\n\n| mutant: the rule, broken | code | tests |\n|---|---|---|\n", rule)
		for _, name := range names {
			if rows[name] == "" {
				return fmt.Errorf("topics.go: list.go has no mutant named %q that isn't in a topic already", name)
			}
			out.WriteString(rows[name])
			delete(rows, name)
		}
		return nil
	}
	for _, t := range topics {
		if err := table(t.rule, t.mutants); err != nil {
			return "", err
		}
	}
	order = slices.DeleteFunc(order, func(name string) bool { return rows[name] == "" })
	if len(order) > 0 {
		if err := table("Other rules", order); err != nil {
			return "", err
		}
	}
	out.WriteString("\n## The table of failures\n\nThe rows of the table in [doc.go](../doc.go), under \"Failures\".\n\n| event | tests |\n|---|---|\n")
	for _, f := range failures {
		noticed, err := f.noticedBy(tests)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "| %s | %s |\n", f.event, noticed)
	}
	return out.String(), nil
}

// code returns the file with a mutant's text, and the function.
func (m mutant) code() (string, error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	at := strings.Index(string(text), m.old)
	if at < 0 {
		return "", fmt.Errorf("%q: its text is not in %s:\n%s", m.name, m.file, m.old)
	}
	function, err := m.luaFunction(string(text[:at])), error(nil)
	if !m.script() {
		function, err = goFunction(m.file, text, at)
	}
	if function != "" {
		function = ": `" + function + "`"
	}
	return link(m.file) + function, err
}

// goFunction returns the name of the function of a file around a position, with its type's if it is a
// method.
func goFunction(file string, text []byte, at int) (string, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	decl := enclosing(parsed, func(d *ast.FuncDecl) bool {
		return files.Position(d.Pos()).Offset <= at && at < files.Position(d.End()).Offset
	})
	if decl == nil {
		return "", nil
	}
	return typeOf(decl) + decl.Name.Name, nil
}

// typeOf returns a method's type and a dot.
func typeOf(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return ""
	}
	t := decl.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.IndexListExpr:
			t = of.X
		case *ast.Ident:
			return of.Name + "."
		default:
			return ""
		}
	}
}

var luaFunctions = regexp.MustCompile(`(?m)^(?:local )?function (\w+).*$|^end\b`)

// luaFunction returns the function in which the beginning of a script ends.
func (m mutant) luaFunction(before string) string {
	all := luaFunctions.FindAllStringSubmatch(before, -1)
	if len(all) == 0 || strings.HasSuffix(all[len(all)-1][0], " end") {
		return ""
	}
	return all[len(all)-1][1] // "" after an end
}

func link(file string) string {
	return fmt.Sprintf("[%s](../%[1]s)", filepath.ToSlash(file))
}

// tested is where a test is.
type tested struct{ dir, file, name string }

var testFunctions = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// testFiles returns all tests of the module.
func testFiles() (tests []tested, err error) {
	err = filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		for _, found := range testFunctions.FindAllStringSubmatch(string(text), -1) {
			tests = append(tests, tested{filepath.ToSlash(filepath.Dir(file)), file, found[1]})
		}
		return err
	})
	return tests, err
}

// noticedBy returns the tests that a mutant's pattern means, and their files.
func (m mutant) noticedBy(tests []tested) (string, error) {
	var out []string
	pattern := m.tests[strings.Index(m.tests, ":")+1:]
	for _, one := range strings.Split(pattern, "|") {
		top, _, _ := strings.Cut(one, "/")
		matching, err := regexp.Compile(top)
		if err != nil {
			return "", fmt.Errorf("%q: %w", m.name, err)
		}
		var files []string
		for _, t := range tests {
			exactly := t.name == strings.Trim(top, "^$")
			if t.dir != m.dir() || !exactly && !matching.MatchString(t.name) {
				continue
			}
			if exactly {
				files = []string{link(t.file)}
				break
			}
			if !slices.Contains(files, link(t.file)) {
				files = append(files, link(t.file))
			}
		}
		if files == nil {
			return "", fmt.Errorf("%q: no test in %q matches %q", m.name, m.dir(), one)
		}
		out = append(out, "`"+strings.Trim(one, "^$")+"` in "+strings.Join(files, ", "))
	}
	return strings.Join(out, "; "), nil
}

// noticedBy returns the tests of a row of failures, and their files.
func (f failure) noticedBy(tests []tested) (string, error) {
	var out []string
	for _, name := range f.tests {
		at := slices.IndexFunc(tests, func(t tested) bool { return t.name == name })
		if at < 0 {
			return "", fmt.Errorf("topics.go: %q: there is no test %s", f.event, name)
		}
		out = append(out, "`"+name+"` in "+link(tests[at].file))
	}
	return strings.Join(out, "; "), nil
}
