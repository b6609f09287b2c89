package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// How the tests are told which mutant to be. In Go a function with a mutant has a copy, to
// which it leaves the call; a script's text is replaced when the package starts.
const (
	envName = "MUTANT_NAME"
	envOld  = "MUTANT_OLD"
	envNew  = "MUTANT_NEW"
)

func (m mutant) script() bool { return strings.HasSuffix(m.file, ".lua") }

func (m mutant) env() []string {
	if m.script() {
		return []string{envOld + "=" + m.old, envNew + "=" + m.new}
	}
	return []string{envName + "=" + m.name}
}

// weave writes into dir an overlay of the sources that has all the mutants in it.
func weave(dir string, chosen []mutant) (plan string, err error) {
	o := overlay{dir: dir, Replace: make(map[string]string)}
	ofFile := make(map[string][]mutant)
	scripts, err := scriptSources()
	if err != nil {
		return "", err
	}
	for _, m := range chosen {
		source := scripts
		if !m.script() {
			text, err := os.ReadFile(m.file)
			if err != nil {
				return "", err
			}
			source = string(text)
			ofFile[m.file] = append(ofFile[m.file], m)
		}
		if n := strings.Count(source, m.old); n != 1 {
			return "", fmt.Errorf("%s: %q: its sources have the text %d times, not once:\n%s", stale, m.name, n, m.old)
		}
	}
	for file, mutants := range ofFile {
		if err := o.weaveGo(file, mutants); err != nil {
			return "", err
		}
	}
	if err := o.weaveScripts(); err != nil {
		return "", err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	plan = filepath.Join(dir, "overlay.json")
	return plan, os.WriteFile(plan, text, 0o644)
}

// overlay makes the go command take files for others: see go help build.
type overlay struct {
	dir     string
	Replace map[string]string
}

func (o *overlay) add(file, content string) error {
	top, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if o.Replace[top] == "" {
		o.Replace[top] = filepath.Join(o.dir, strconv.Itoa(len(o.Replace))+".go")
	}
	return os.WriteFile(o.Replace[top], []byte(content), 0o644)
}

func scriptSources() (all string, err error) {
	files, err := filepath.Glob("scripts/*.lua")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		all += string(text)
	}
	return all, nil
}

func (o *overlay) weaveScripts() error {
	const file, where = "scripts/scripts.go", "func script(keys int, source string) *Script {\n"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.Count(string(text), where) != 1 {
		return fmt.Errorf("%s does not have the text:\n%s", file, where)
	}
	told := strings.Replace(string(text), where, where+fmt.Sprintf(
		"\tif old := os.Getenv(%q); old != \"\" {\n\t\tsource = strings.ReplaceAll(source, old, os.Getenv(%q))\n\t}\n", envOld, envNew), 1)
	return o.add(file, strings.Replace(told, "import (\n", "import (\n\t\"os\"\n", 1))
}

// weaveGo gives each function of a file in which mutants lie a copy for each, and tells its
// package which one is wanted.
func (o *overlay) weaveGo(file string, mutants []mutant) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	source := string(text)
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	at := func(p token.Pos) int { return files.Position(p).Offset }
	type insertion struct {
		at   int
		text string
	}
	var inserted []insertion
	copies := ""
	for i, m := range mutants {
		from := strings.Index(source, m.old)
		decl := enclosing(parsed, func(d *ast.FuncDecl) bool { return at(d.Body.Lbrace) < from && from+len(m.old) <= at(d.End()) })
		if decl == nil {
			return fmt.Errorf("%q: its text is not within one function:\n%s", m.name, m.old)
		}
		name := fmt.Sprintf("%sMutant%d", decl.Name.Name, i)
		call, err := callOf(decl, name)
		if err != nil {
			return fmt.Errorf("%q: %w", m.name, err)
		}
		inserted = append(inserted, insertion{at(decl.Body.Lbrace) + 1, fmt.Sprintf("\n\tif mutantName == %q {\n\t\t%s\n\t}\n", m.name, call)})
		copies += "\n" + source[at(decl.Pos()):at(decl.Name.Pos())] + name + source[at(decl.Name.End()):from] +
			m.new + source[from+len(m.old):at(decl.End())] + "\n"
	}
	slices.SortStableFunc(inserted, func(a, b insertion) int { return b.at - a.at })
	for _, in := range inserted {
		source = source[:in.at] + in.text + source[in.at:]
	}
	if err := o.add(file, source+copies); err != nil {
		return err
	}
	return o.add(filepath.Join(filepath.Dir(file), "mutant_name.go"), fmt.Sprintf(
		"package %s\n\nimport \"os\"\n\nvar mutantName = os.Getenv(%q)\n", parsed.Name.Name, envName))
}

func enclosing(file *ast.File, is func(*ast.FuncDecl) bool) *ast.FuncDecl {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && is(f) {
			return f
		}
	}
	return nil
}

// callOf returns the statements that leave a function's call to another with the same
// parameters.
func callOf(decl *ast.FuncDecl, name string) (string, error) {
	var args []string
	for _, p := range decl.Type.Params.List {
		for _, n := range p.Names {
			arg := n.Name
			if _, variadic := p.Type.(*ast.Ellipsis); variadic {
				arg += "..."
			}
			args = append(args, arg)
		}
		if len(p.Names) == 0 {
			args = append(args, "_")
		}
	}
	on := ""
	if decl.Recv != nil {
		on = "_"
		if names := decl.Recv.List[0].Names; len(names) > 0 {
			on = names[0].Name
		}
	}
	if on == "_" || slices.Contains(args, "_") {
		return "", fmt.Errorf("%s has a parameter without a name", decl.Name.Name)
	}
	if on != "" {
		on += "."
	}
	call := on + name + "(" + strings.Join(args, ", ") + ")"
	if decl.Type.Results != nil {
		return "return " + call, nil
	}
	return call + "\n\t\treturn", nil
}
