// Package drivers has tests only: package tsc inside drivers that others wrote, against the servers
// that they are for.
package drivers
