/** The two real PostgreSQL releases that npm installed, for specs that build a cluster of their own. */
export { type PostgresBinaries, type ServerUser, postgresBinaries, serverUser } from '@understudy/runtime';
