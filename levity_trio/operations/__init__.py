"""What can be asked of a charger, pure: one declaration for each operation of OCPP 1.6 and its
security extension.

Validation, HTTP routes, OpenAPI, the shell command with its completion and the forms are derived
from it. The room imports neither `ocpp` nor anything else that is slow, because completion must
answer at once.
"""

from levity_trio.operations.catalogue import OPERATIONS as OPERATIONS
from levity_trio.operations.catalogue import find as find
from levity_trio.operations.catalogue import spelt as spelt
from levity_trio.operations.operation import Field as Field
from levity_trio.operations.operation import FieldProblem as FieldProblem
from levity_trio.operations.operation import Operation as Operation
from levity_trio.operations.operation import OperationRole as OperationRole
from levity_trio.operations.operation import Situation as Situation
from levity_trio.operations.operation import check as check
from levity_trio.operations.operation import follow as follow
