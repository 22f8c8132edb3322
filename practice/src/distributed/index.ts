export { serviceFor } from './route.js';
export { ServiceProcess, SERVICES, type Service, type ServiceProcessOptions } from './service-process.js';
export { startStage, writeAddresses, type Stage, type StageOptions } from './stage.js';
