/** What @grpc/grpc-js and Nest load: made from the generated descriptors, so that protobuf-es alone reads and writes messages. */
import type { DescFile, DescMessage, DescMethod, DescService, Message } from '@bufbuild/protobuf';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { MethodDefinition, ServiceDefinition, loadPackageDefinition } from '@grpc/grpc-js';

/** A request as it came in: the door reads it after it has checked the token. Throws what `fromBinary` throws. */
export type Unread = () => Message;

export type PackageDefinition = Parameters<typeof loadPackageDefinition>[0];

type BothEnds = Omit<MethodDefinition<Message, Message>, 'requestDeserialize'> & {
  readonly requestDeserialize: (bytes: Buffer) => Unread;
};

/** For `loadPackageDefinition`, Nest and the reflection service. */
export function packageDefinition(services: readonly DescService[]): PackageDefinition {
  const files = filesOf(services).map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  const requests = services.flatMap((service) => service.methods.map((method) => method.input));
  return Object.fromEntries<PackageDefinition[string]>([
    ...services.map((service) => [service.typeName, serviceDefinition(service)] as const),
    ...requests.map((message) => [message.typeName, typeDefinition(message, files)] as const),
  ]);
}

/** Both ends of a service's methods, e.g. for `new Client().makeUnaryRequest`. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.name, methodDefinition(method)]));
}

export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function methodDefinition(method: DescMethod): BothEnds {
  const { input, output } = method;
  return {
    path: pathOf(method),
    originalName: method.localName,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => () => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

/** What reflection tells of a message is in its file, and nothing else here is read. */
function typeDefinition(message: DescMessage, files: readonly Buffer[]): PackageDefinition[string] {
  return {
    format: 'Protocol Buffer 3 DescriptorProto',
    type: message.proto,
    fileDescriptorProtos: [...files],
  };
}

function filesOf(services: readonly DescService[]): readonly DescFile[] {
  const files = new Set<DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file)) return;
    file.dependencies.forEach(visit);
    files.add(file);
  };
  services.forEach(({ file }) => visit(file));
  return [...files];
}
