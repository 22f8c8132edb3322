/** What the tidy checks read out of a source file: its imports, its long functions. By the compiler's parser, not by pattern. */
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

export interface SourceFacts {
  /** Module names as written, of static and dynamic imports and re-exports. */
  readonly imports: readonly string[];
  /** Every string literal that names a sibling module, such as a worker's file: `'./worker.js'`. */
  readonly mentioned: readonly string[];
  /** The `type` literals of every union that is named `...Event`. */
  readonly eventTypes: readonly string[];
  readonly longFunctions: readonly { readonly line: number; readonly lines: number }[];
}

/** `maxLines` counts from the function's first line to its last, as the lint rule does. A function that only groups tests is not measured. */
export function readFacts(path: string, text: string, maxLines: number): SourceFacts {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: string[] = [];
  const mentioned: string[] = [];
  const eventTypes: string[] = [];
  const longFunctions: { line: number; lines: number }[] = [];
  const visit = (node: ts.Node): void => {
    const imported = importedModule(node);
    if (imported !== undefined) imports.push(imported);
    else if (ts.isStringLiteralLike(node) && /^\.{1,2}\/.*\.[jt]s$/.test(node.text)) mentioned.push(node.text);
    if (ts.isTypeAliasDeclaration(node) && node.name.text.endsWith('Event')) eventTypes.push(...typeLiterals(node.type));
    if (ts.isFunctionLike(node) && !groupsTests(node)) {
      const first = source.getLineAndCharacterOfPosition(node.getStart()).line;
      const lines = source.getLineAndCharacterOfPosition(node.end).line - first + 1;
      if (lines > maxLines) longFunctions.push({ line: first + 1, lines });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { imports, mentioned, eventTypes, longFunctions };
}

function importedModule(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    return ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : undefined;
  }
  if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) return undefined;
  const [argument] = node.arguments;
  return argument !== undefined && ts.isStringLiteral(argument) ? argument.text : undefined;
}

/** `'A', 'B'` of `{ type: 'A'; ... } | { type: 'B'; ... }`. */
function typeLiterals(type: ts.TypeNode): string[] {
  const members: readonly ts.TypeNode[] = ts.isUnionTypeNode(type) ? type.types : [type];
  return members
    .filter((member) => ts.isTypeLiteralNode(member))
    .flatMap((literal) =>
      literal.members
        .filter((member) => ts.isPropertySignature(member))
        .filter((member) => ts.isIdentifier(member.name) && member.name.text === 'type')
        .flatMap(({ type: value }) =>
          value !== undefined && ts.isLiteralTypeNode(value) && ts.isStringLiteral(value.literal) ? [value.literal.text] : [],
        ),
    );
}

const GROUPED = new Set(['describe', 'it', 'test']);

/** Whether the function's own statements declare tests: the body of a describe block or of a contract suite. */
function groupsTests(node: ts.SignatureDeclaration): boolean {
  let found = false;
  const look = (inner: ts.Node): void => {
    if (found) return;
    if (ts.isCallExpression(inner) && GROUPED.has(rootName(inner.expression))) found = true;
    else ts.forEachChild(inner, look);
  };
  ts.forEachChild(node, look);
  return found;
}

/** `it` of `it.each(rows)('...')`. */
function rootName(expression: ts.Expression): string {
  let at: ts.Expression = expression;
  while (ts.isPropertyAccessExpression(at) || ts.isCallExpression(at)) at = at.expression;
  return ts.isIdentifier(at) ? at.text : '';
}

/** The TypeScript file that a relative module name means, from the root, also where its compiled form is named; undefined for packages. */
export function resolveRelative(importer: string, module: string): string | undefined {
  if (!module.startsWith('.')) return undefined;
  return normalize(join(dirname(importer), module))
    .replace('/dist/', '/src/')
    .replace(/\.js$/, '.ts');
}
