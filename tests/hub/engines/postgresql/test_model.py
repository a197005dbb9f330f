"""Random histories, against the same model as on SQLite."""

from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis.stateful import rule, run_state_machine_as_test

from helpers.postgres_server import PostgresServer, run_sql_on_server
from hub.test_model import QUICK, HubAgainstModel


@pytest.mark.slow
def test_random_histories_do_not_differ_from_the_model(postgres: PostgresServer) -> None:
    class HubOnServerAgainstModel(HubAgainstModel):
        def __init__(self) -> None:
            super().__init__()
            self.stack = ExitStack()
            address = self.address = self.stack.enter_context(postgres.schema())
            self.team.folder.mkdir(mode=0o700)
            self.team.configuration.write_text(f'[team]\nhub = "{address}"\n')

        @rule()
        def raise_floors(self) -> None:
            run_sql_on_server(self.address, "SELECT raise_floors(0)")

        def teardown(self) -> None:
            super().teardown()
            self.stack.close()

    run_state_machine_as_test(HubOnServerAgainstModel, settings=settings(QUICK, max_examples=10))
