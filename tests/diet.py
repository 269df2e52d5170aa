"""An import contract that states an allow-list: import-linter's own kinds can only forbid by name."""

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class Diet(Contract):
    """`source_modules` import only the standard library, themselves and `allowed_modules`.

    `except_modules` are lines "module: extra extra" that widen the diet of one module.
    """

    source_modules = fields.ListField(subfield=fields.ModuleField())
    allowed_modules = fields.SetField(subfield=fields.StringField())
    except_modules = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Every import of every module below the sources."""
        extras = {
            name: set(more.split()) for name, _, more in (line.partition(":") for line in self.except_modules or [])
        }
        strays: list[Any] = []
        for source in (module.name for module in self.source_modules):
            for module in sorted({source} | graph.find_descendants(source)):
                allowed = {source, *self.allowed_modules, *sys.stdlib_module_names, *extras.get(module, ())}
                for name in sorted(graph.find_modules_directly_imported_by(module)):
                    if name.partition(".")[0] not in allowed:
                        strays += graph.get_import_details(importer=module, imported=name)
        return ContractCheck(kept=not strays, metadata={"strays": strays})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """A line an import."""
        for stray in check.metadata["strays"]:
            output.print_error(f"{stray['importer']}:{stray['line_number']} imports {stray['imported']}")
