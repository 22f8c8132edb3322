export { type Broker, type BrokerOptions, startBroker } from './broker.js';
export { BrokerUnavailable } from './jars.js';
