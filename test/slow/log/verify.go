// Reads a log with Go's golang.org/x/mod/sumdb packages, which know nothing of abnpkg: the checkpoint's signature, every entry's
// proof of inclusion against tiles, and the consistency of two checkpoints.
//
//	verify KEY LOG [OLD-CHECKPOINT]
//
// LOG is a directory, or the address of a log that is served.
// It prints what it has verified and exits with 1 at the first thing that is wrong.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tiles struct {
	directory string
	size      int64
}

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		// Go's paths have the height in them: tile/8/0/000.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := read(t.directory, path)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func read(log string, path string) ([]byte, error) {
	if !strings.HasPrefix(log, "http://") {
		return os.ReadFile(filepath.Join(log, path))
	}
	answer, err := http.Get(log + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func open(verifier note.Verifier, message []byte) tlog.Tree {
	signed, err := note.Open(message, note.VerifierList(verifier))
	check(err)
	lines := strings.SplitN(signed.Text, "\n", 2)
	if lines[0] != verifier.Name() {
		fail("another origin: " + lines[0])
	}
	// Go's own log says "go.sum database tree" in the first line; the rest is the same.
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1]))
	check(err)
	return tree
}

func entries(directory string, size int64) [][]byte {
	var all [][]byte
	for start := int64(0); start < size; start += 256 {
		width := size - start
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: 8, L: 0, N: start / 256, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := read(directory, path)
		check(err)
		for reader := bytes.NewBuffer(data); reader.Len() > 0; {
			length := int(binary.BigEndian.Uint16(reader.Next(2)))
			all = append(all, append([]byte(nil), reader.Next(length)...))
		}
	}
	return all
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	check(err)
	directory := os.Args[2]
	message, err := read(directory, "checkpoint")
	check(err)
	tree := open(verifier, message)
	reader := tlog.TileHashReader(tree, tiles{directory, tree.N})
	for index, entry := range entries(directory, tree.N) {
		proof, err := tlog.ProveRecord(tree.N, int64(index), reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)))
	}
	fmt.Printf("%d entries\n", tree.N)
	if len(os.Args) > 3 {
		message, err := os.ReadFile(os.Args[3])
		check(err)
		old := open(verifier, message)
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
		fmt.Printf("consistent with %d\n", old.N)
	}
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(reason string) {
	fmt.Println(reason)
	os.Exit(1)
}
