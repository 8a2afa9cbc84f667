// Package drivers has tests only: package tsc inside drivers that others wrote, against the servers
// that they are for; only for MongoDB's there is a stand-in.
package drivers
