// Reads every query with Microsoft's own Kusto parser: those for Resource Graph, which are held to what it knows of
// Kusto, and in FOLDER/logs those for Log Analytics, which knows all of Kusto but has other tables.
//
//   node tools/check_queries.mjs [FOLDER]     FOLDER is queries/ of this repository where none is given
//
// Prints `file:line:column: what` for each problem and ends with 1, or one closing line and 0.

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = dirname(dirname(fileURLToPath(import.meta.url)));
const LOGS = "logs";

// What Resource Graph knows and allows: docs/azure-facts.md graph-4.
const OPERATORS = new Set([
  "count", "distinct", "extend", "join", "limit", "mv-expand", "order", "parse", "project", "project-away", "sort",
  "summarize", "take", "top", "union", "where",
]);
const JOIN_KINDS = new Set(["innerunique", "inner", "leftouter"]);
const MOST_JOINS = 3;
const MOST_UNION_LEGS = 3;
const MOST_MV_EXPANDS = 2;
const OTHER_SOURCES = new Map([
  ["DataTableExpression", "datatable"],
  ["ExternalDataExpression", "externaldata"],
  ["ContextualDataTableExpression", "a table of the calling query"],
]);

/** Loads the parser, which puts itself into the global names `Kusto` and `System`. */
function loadParser() {
  const require = createRequire(import.meta.url);
  try {
    require("@kusto/language-service-next/bridge.min");
    require("@kusto/language-service-next/Kusto.Language.Bridge.min");
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    throw new Error("the Kusto parser is not installed: run `make setup`", { cause: error });
  }
}

/** A file of tools/ that says which tables there are. */
function tablesOf(file) {
  return JSON.parse(readFileSync(join(REPOSITORY, "tools", file), "utf8"));
}

/** Tables as the parser's symbols: `tables` gives each table's name and columns, these with their types. */
function globalsOf(database, tables) {
  const symbols = Kusto.Language.Symbols;
  // Built by hand: the parser's own schema text, "(id: string, …)", loses a column named `properties`.
  const columnsOf = (columns) =>
    Object.entries(columns).map(([name, type]) => new symbols.ColumnSymbol(name, symbols.ScalarTypes[type]));
  const tableSymbols = tables.map(([name, columns]) => new symbols.TableSymbol.$ctor4(name, columnsOf(columns)));
  return Kusto.Language.GlobalState.Default.WithDatabase(new symbols.DatabaseSymbol.ctor(database, tableSymbols));
}

function resourceGraph() {
  const { tables, columns } = tablesOf("resource_graph_tables.json");
  const names = tables.flatMap((name) => [name, name.toLowerCase()]);
  return {
    firstLine: "// Azure Resource Graph Query",
    globals: globalsOf("ResourceGraph", names.map((name) => [name, columns])),
    problemsOf: resourceGraphProblems,
  };
}

function logAnalytics() {
  const { tables } = tablesOf("log_analytics_tables.json");
  return {
    firstLine: "// Log Analytics Query",
    globals: globalsOf("LogAnalytics", Object.entries(tables)),
    problemsOf: (code) => notOneQuery([...nodesOf(code.Syntax)]),
  };
}

/** Every node of the syntax tree, a parent before its children. */
function* nodesOf(element) {
  if (element === null || element.IsToken) return;
  yield element;
  for (let index = 0; index < element.ChildCount; index += 1) yield* nodesOf(element.GetChild(index));
}

function kindOf(node) {
  return System.Enum.toString(Kusto.Language.Syntax.SyntaxKind, node.Kind);
}

/** The word an operator begins with: `take` and `limit` are one kind of node and two words. */
function wordOf(operator) {
  return operator.GetFirstToken().Text;
}

function complaint(node, what) {
  return { offset: node.TextStart, what };
}

/** What the grammar and the names of tables and columns find wrong. */
function diagnosticsOf(code) {
  return System.Linq.Enumerable.from(code.GetDiagnostics(), Kusto.Language.Diagnostic)
    .select((diagnostic) => ({ offset: diagnostic.Start, what: diagnostic.Message }))
    .ToArray(Object);
}

function unknownWords(operators) {
  return operators
    .filter((operator) => !OPERATORS.has(wordOf(operator)))
    .map((operator) => complaint(operator, `Resource Graph does not know the operator '${wordOf(operator)}'.`));
}

function foreignSources(nodes) {
  return nodes
    .filter((node) => OTHER_SOURCES.has(kindOf(node)))
    .map((node) => complaint(node, `Resource Graph does not know ${OTHER_SOURCES.get(kindOf(node))}: use a table.`));
}

function statementsOf(nodes) {
  return nodes.filter((node) => kindOf(node).endsWith("Statement"));
}

function isQuery(statement) {
  return kindOf(statement) === "ExpressionStatement";
}

function notOneQuery(nodes) {
  const [query, ...more] = statementsOf(nodes).filter(isQuery);
  return [
    ...(query === undefined ? [{ offset: 0, what: "The file holds no query." }] : []),
    ...more.map((node) => complaint(node, "A file holds one query: this is a second one.")),
  ];
}

/** To Resource Graph a query is one expression: it refuses `let` and `set`. */
function unknownStatements(nodes) {
  return statementsOf(nodes)
    .filter((node) => !isQuery(node))
    .map((node) => complaint(node, `Resource Graph does not know the statement '${wordOf(node)}'.`));
}

function wrongJoinKinds(joins) {
  return joins
    .flatMap((operator) => [...nodesOf(operator.Parameters)])
    .filter((node) => kindOf(node) === "NamedParameter" && node.Name.SimpleName === "kind")
    .filter((node) => !JOIN_KINDS.has(node.Expression.ToString()))
    .map((node) => complaint(node, `Resource Graph does not know the join kind '${node.Expression.ToString()}'.`));
}

/** A complaint at the first item that is one too many. */
function tooMany(items, most, name) {
  if (items.length <= most) return [];
  return [complaint(items[most], `${items.length} ${name}: Resource Graph allows ${most} in a query.`)];
}

function resourceGraphProblems(code) {
  const nodes = [...nodesOf(code.Syntax)];
  // The parser itself complains of a word that is no operator at all.
  const operators = nodes.filter((node) => /(?<!Bad\w*)Operator$/.test(kindOf(node)));
  const named = (word) => operators.filter((operator) => wordOf(operator) === word);
  const legs = named("union").flatMap((union) =>
    Array.from({ length: union.Expressions.Count }, (_, index) => union.Expressions.getItem(index).Element),
  );
  return [
    ...notOneQuery(nodes),
    ...unknownStatements(nodes),
    ...foreignSources(nodes),
    ...unknownWords(operators),
    ...wrongJoinKinds(named("join")),
    ...tooMany(named("join"), MOST_JOINS, "joins"),
    ...tooMany(legs, MOST_UNION_LEGS, "union legs"),
    ...tooMany(named("mv-expand"), MOST_MV_EXPANDS, "mv-expands"),
  ];
}

/** The two lines at the head: whose query this is, and what it is for. */
function headProblems(text, firstLine) {
  const lines = text.split(/\r?\n/);
  const problems = [];
  if (lines[0] !== firstLine) problems.push({ line: 1, column: 1, what: `Line 1 must be "${firstLine}".` });
  const purpose = lines[1] ?? "";
  if (!/^\/\/ [A-Z].*\.$/.test(purpose) || /[.!?]\s+[A-Z]/.test(purpose)) {
    problems.push({ line: 2, column: 1, what: 'Line 2 must say in one sentence what the query is for: "// What it finds."' });
  }
  return problems;
}

/** An offset in the text as a line and a column, both counted from 1. */
function placeOf(text, { offset, what }) {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1).length + 1, what };
}

function problemsOf(text, dialect) {
  const code = Kusto.Language.KustoCode.ParseAndAnalyze(text, dialect.globals);
  const inQuery = [...diagnosticsOf(code), ...dialect.problemsOf(code)].map((problem) => placeOf(text, problem));
  return [...headProblems(text, dialect.firstLine), ...inQuery].sort((a, b) => a.line - b.line || a.column - b.column);
}

function queryFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith(".kql"))
    .sort();
}

/** Checks every query under the folder; gives the exit code. */
function main(folder) {
  loadParser();
  const [graph, logs] = [resourceGraph(), logAnalytics()];
  const files = queryFiles(folder);
  if (files.length === 0) throw new Error(`no query found: ${folder} holds no *.kql`);
  const lines = files.flatMap((file) =>
    problemsOf(readFileSync(join(folder, file), "utf8"), file.split(sep)[0] === LOGS ? logs : graph).map(
      ({ line, column, what }) => `${relative(process.cwd(), join(folder, file))}:${line}:${column}: ${what}`,
    ),
  );
  if (lines.length > 0) {
    console.log(lines.join("\n"));
    return 1;
  }
  console.log(`${files.length} ${files.length === 1 ? "query" : "queries"}, no problems`);
  return 0;
}

try {
  process.exitCode = main(process.argv[2] ?? join(REPOSITORY, "queries"));
} catch (error) {
  console.error(`check_queries: ${error.message}`);
  process.exitCode = 1;
}
