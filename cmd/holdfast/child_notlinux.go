//go:build unix && !linux

package main

// watchStops does nothing here: a program that was stopped goes on when it is continued.
func watchStops(*child) {}

const tellsStops = false

func adoptOrphans() {}
func reap(int)      {}
func reapOrphans()  {}
