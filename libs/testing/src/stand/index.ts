export { makeArchive, type MadePackage } from './packages.js';
export { HostFiles, readBelow, writeBelow } from './files.js';
export { shell } from './shell.js';
export { layNetwork, standGround, standHosts } from './stand.js';
export { StandHost } from './stand-host.js';
